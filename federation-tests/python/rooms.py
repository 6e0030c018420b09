"""One call of the server API with LiveKit's Python SDK: `rooms.py URL KEY SECRET METHOD JSON`.

Prints the answer as JSON, or `{"error": {"code", "status", "message"}}`.
"""

import asyncio
import json
import sys

from google.protobuf.json_format import MessageToDict, ParseDict
from livekit import api

METHODS = {
    "create_room": api.CreateRoomRequest,
    "list_rooms": api.ListRoomsRequest,
    "delete_room": api.DeleteRoomRequest,
    "list_participants": api.ListParticipantsRequest,
    "get_participant": api.RoomParticipantIdentity,
    "remove_participant": api.RoomParticipantIdentity,
}


async def main(url: str, key: str, secret: str, method: str, body: str) -> None:
    async with api.LiveKitAPI(url, key, secret) as server:
        request = ParseDict(json.loads(body), METHODS[method]())
        try:
            answer = await getattr(server.room, method)(request)
        except api.TwirpError as error:
            answer = {"error": {"code": error.code, "status": error.status, "message": error.message}}
        else:
            answer = MessageToDict(answer, preserving_proto_field_name=True)
        print(json.dumps(answer))


asyncio.run(main(*sys.argv[1:]))
