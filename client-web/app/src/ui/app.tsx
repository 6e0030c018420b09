import type { App } from "../state/app.ts";
import { language, say } from "../words/words.ts";
import { CallPage } from "./call.tsx";
import { DoorPage } from "./door.tsx";
import { Page, Trouble, Waiting } from "./frame.tsx";
import { LoginPage } from "./login.tsx";
import { RoomsPage } from "./rooms.tsx";
import { GonePage, LobbyPage, VisitPage } from "./visit.tsx";

/** What is shown, wherever somebody is. */
export function AppView({ app }: { app: App }) {
  document.documentElement.lang = language.value;
  const place = app.place.value;
  // A guest has no other rooms to go back to.
  const back = app.isGuest ? () => void app.endVisit() : () => app.toRooms();
  const backText = say(app.isGuest ? "visit-end" : "left-rooms");
  switch (place.at) {
    case "opening":
      return <Waiting>{say(`opening-${place.what}`)}</Waiting>;
    case "login":
      return <LoginPage login={place.login} {...(app.takesGuests && { onGuest: () => void app.showVisit(null) })} />;
    case "visit":
      return <VisitPage visit={place.visit} onLogIn={() => app.toLogin()} />;
    case "lobby":
      return <LobbyPage house={place.house} isRefused={place.isRefused} onEnd={() => void app.endVisit()} />;
    case "gone":
      return <GonePage />;
    case "rooms":
      return <RoomsPage house={place.house} onOpen={(roomId) => void app.openRoom(place.house, roomId)} onLogOut={() => void app.logOut()} />;
    case "door":
      return <DoorPage door={place.door} network={place.network} session={place.session} onJoin={() => void app.join()} onBack={back} backText={backText} />;
    case "call":
      return <CallPage call={place.call} onLeave={() => void app.leave()} />;
    case "left":
      return (
        <Page title={say("left-title")}>
          <p class="lead">{place.roomName}</p>
          {place.why !== "self" && <p role="status">{say(`link-${place.why}`)}</p>}
          <div class="row">
            <button type="button" class="primary" onClick={() => void app.openRoom(place.house, place.roomId)}>
              {say("left-again")}
            </button>
            <button type="button" onClick={back}>
              {backText}
            </button>
          </div>
        </Page>
      );
    case "trouble": {
      const isOut = place.trouble === "logged-out" || place.trouble === "no-sso";
      return (
        <Page title="Hanse">
          <Trouble>{say(`trouble-${place.trouble}`)}</Trouble>
          <button type="button" class="primary" onClick={() => void app.again(isOut)}>
            {say(isOut ? "to-login" : "retry")}
          </button>
        </Page>
      );
    }
  }
}
