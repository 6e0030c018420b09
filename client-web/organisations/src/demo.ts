// Who is in the demo: told by the server of the page (`demo.json`).

/** Somebody with an account, as whom one may look at the demo. */
export interface DemoPerson {
  /** The account's name, which also stands in the page's address. */
  user: string;
  name: string;
  /** Title of the organisation, for people. */
  organisation: string;
  /** Base of the client-server API. */
  homeserver: string;
  password: string;
}

export interface Demo {
  /** Where everybody meets; all of them have joined it. */
  room: string | null;
  people: DemoPerson[];
}

export async function readDemo(): Promise<Demo> {
  const reply = await fetch("demo.json");
  if (!reply.ok) throw new Error(`demo.json: ${reply.status}`);
  return (await reply.json()) as Demo;
}

/** What the page's address asks for. */
export interface Wish {
  person: string | null;
  room: string | null;
  /** How Element Call speaks of who is in a call: `compatibility` or `matrix_2_0`. */
  mode: string;
}

export function readWish(address: URL): Wish {
  const { searchParams } = address;
  return {
    person: searchParams.get("person"),
    room: searchParams.get("room"),
    mode: searchParams.get("mode") ?? "compatibility",
  };
}
