other-language = Deutsch
retry = Try again
close = Close
privacy = Privacy

opening-page = Opening …
opening-rooms = Fetching your rooms. The first time takes a moment.
opening-call = Opening the call …

trouble-config = This page’s server does not answer. Try again in a moment.
trouble-homeserver = Your homeserver cannot be reached. Check your network, then try again.
trouble-logged-out = You have been logged out: this device is not known to your homeserver any more. Log in again.
trouble-no-sso = Logging in did not work: your organisation’s log-in was not completed. Please try again.
trouble-room = This room cannot be opened. Perhaps you have not been invited, or it no longer exists.
trouble-call = The call could not be joined. Please try again.
trouble-open-elsewhere = Hanse is already open in another tab or window of this browser. Close it there, then try again.
to-login = Log in again

login-title = Log in
login-lead = With your account at { $server }.
login-homeserver = Your organisation
login-user = User name
login-password = Password
login-enter = Log in
login-sso = Continue at { $server }
login-or = or
login-asking = Asking { $server } how to log in …
login-unreachable = { $server } cannot be reached. Check your network, then try again.
login-wrong = User name or password is wrong.
login-too-often = Too many attempts. Wait a few minutes, then try again.
login-deactivated = This account has been deactivated. Ask your administrator.
login-elsewhere = This page is for people of { $server }. Log in on the page of your own organisation.
login-no-way = { $server } offers no way of logging in that this page knows. Ask your administrator.
login-refused = { $server } has refused the log-in. Try again later, or ask your administrator.

rooms-title = Your rooms
rooms-hello = Logged in as { $name }
rooms-calls = Calls going on
rooms-others = Other rooms
rooms-none = You are not in any room yet. Ask somebody to invite you, or create a room in Element.
rooms-find = Find a room
rooms-nothing = No room has “{ $text }” in its name.
rooms-in-call = { $people ->
    [one] 1 person in the call
   *[other] { $people } people in the call
}
rooms-open = Not encrypted
rooms-log-out = Log out
rooms-away = Your homeserver does not answer at the moment. This list may be out of date.

door-title = Before you join
door-off = Your camera and microphone are off. Nobody sees or hears you until you join.
door-camera = Camera
door-microphone = Microphone
door-camera-on = Turn camera on
door-camera-off = Turn camera off
door-microphone-on = Turn microphone on
door-microphone-off = Turn microphone off
door-level = Say something: the bar shows how loud you are.
door-join = Join the call
door-device = Device { $number }
door-sealed = End-to-end encrypted: no server can see or hear this call.
door-open = This room is not encrypted. The servers in between could see and hear this call.
door-people = { $people ->
    [0] Nobody is in the call yet.
    [one] 1 person is in the call.
   *[other] { $people } people are in the call.
}

blur = Blur what is behind me
blur-cost = Blurring happens on your machine, and costs it power. On a weak one, leave it off and sit in front of a wall.

network-check = Check the network
network-busy = Trying the way to your server …
network-udp = Your server is reached directly (UDP), { $time } ms there and back.
network-tcp = Your network blocks UDP, so TCP is used, { $time } ms there and back. When the network is busy, picture and sound may stutter.
network-relay = Your server is reached through a relay, { $time } ms there and back.
network-enough-picture = That is enough for picture and sound.
network-enough-sound = That is enough for sound. Leave your camera off.
network-enough-little = That is hardly enough for sound. Use another network if you can.
network-homeserver = Your homeserver does not answer. Check your network: without it you cannot join.
network-focus = Your organisation’s server for calls does not answer. Check your network; if other pages open, ask your administrator.
network-blocked = This page may not connect to your own server. Your administrator has to correct its configuration.
network-refused = Your server does not let you try: { $sentence }
network-unknown = Your server cannot be tried beforehand. You will see when you join.
network-sfu = Your server’s connection for calls cannot be opened. A proxy or firewall of your network may block WebSockets: use another network, or ask your administrator.
network-media = Your network lets no picture and sound through to your server, neither by UDP nor by TCP. Use another network, or ask your administrator.

device-camera = Camera
device-microphone = Microphone
device-screen = Screen
device-refused = { $device }: your browser does not allow it. Click the symbol left of the address bar and allow it for this page.
device-missing = { $device }: none was found. Is it plugged in?
device-busy = { $device }: another program is using it. Close that program, then try again.
device-forbidden = { $device }: the rules of this room do not let you use it.
device-unblurred = { $device }: what is behind you cannot be blurred here, so it is off. Switch blurring off, or use Chrome, Chromium or Edge.
device-failed = { $device }: it could not be turned on.

call-people = People in the call
call-controls = Call controls
call-microphone-on = Unmute
call-microphone-off = Mute
call-camera-on = Camera on
call-camera-off = Camera off
call-screen-on = Share screen
call-screen-off = Stop sharing
call-hand-up = Raise hand
call-hand-down = Lower hand
call-leave = Leave
call-leaving = Leaving …
call-alone = Nobody else is here yet. Others can join from any Matrix client.
call-connecting = Connecting …
call-reconnecting = The connection was lost. Connecting again …
call-play = Turn sound on
call-play-lead = Your browser keeps sound off until you click.
call-you = You
call-speaking = speaking
call-muted = microphone off
call-weak = weak connection
call-hand = { $place ->
    [one] hand raised, next to speak
   *[other] hand raised, number { $place }
}
call-screen-of = Screen of { $name }
call-your-screen = Your screen
call-strangers = { $count ->
    [one] A device is sending something and is not known to the room. It is not shown.
   *[other] { $count } devices are sending something and are not known to the room. They are not shown.
}

role-guest = Guest
role-participant = Participant
role-presenter = Presenter
role-moderator = Moderator
role-administrator = Administrator

lack-no-focus = { $name }’s app does not say where its picture and sound can be fetched. An update of that app may help.
lack-connecting = Connecting to the server of { $organisation } …
lack-no-media = { $name } has joined, but has not reached the server of { $organisation } yet.
lack-no-key = The key to { $name }’s picture and sound has not arrived yet.
lack-wrong-key = { $name }’s key does not open picture and sound.
lack-unsealed = { $name } sends without encryption, so it is not shown here. They should join again.
lack-route-blocked = This page may not connect to the server of { $organisation }. Your administrator can allow it.
lack-route-unreachable = The server of { $organisation } cannot be reached. Trying again …
lack-route-media = Your network lets no media through to the server of { $organisation }. Trying again …
lack-route-refused = The server of { $organisation } does not let you in: { $sentence }

link-blocked = This page may not connect to your own server. Your administrator has to correct its configuration.
link-unreachable = Your server cannot be reached. Check your network; we keep trying.
link-media = Your network lets no picture and sound through to your server. Ask your administrator, or use another network; we keep trying.
link-refused = Your server does not let you into the call: { $sentence }
link-removed = A moderator has removed you from the call.
link-elsewhere = You have joined this call with the same device elsewhere.
link-ended = A moderator has ended the call.
call-homeserver = Your homeserver does not answer. The call goes on; people who come or go may not be shown.
call-hand-failed = Your hand could not be raised or lowered. Please try again.

panel-title = Who can read this
panel-open = Who can read this?
panel-sealed = { $people ->
    [one] Only you can see and hear this call. No server can.
   *[other] Only these { $people } people can see and hear this call. No server can, not even ours.
}
panel-unsealed = This room is not encrypted: the people in the call, and the servers of their organisations, can see and hear it.
panel-metadata = The servers do know who is in the call and for how long.

left-title = You have left the call
left-again = Join again
left-rooms = To the rooms

moderate-call = More
moderate-microphone = Mute microphone
moderate-camera = Turn camera off
moderate-screen = Stop the sharing
moderate-remove = Remove from the call
moderate-remove-ask = Remove { $name } from the call? They stay in the room and can join again.
moderate-end = End the call for everybody
moderate-end-ask = End the call for everybody?
moderate-refused = That was not done: { $sentence }
moderate-unreachable = That was not done: a server did not answer. Please try again.
confirm = Yes
refuse = No

chat-title = Chat
chat-sealed = Only people in this room can read what is written here. It stays in the room.
chat-unsealed = This room is not encrypted: servers can read what is written here.
chat-empty = Nobody has written anything yet.
chat-write = Message
chat-send = Send
chat-sending = Sending …
chat-failed = Not sent. Send again
chat-closed = This message cannot be opened on this device.
chat-too-long = A message has at most { $most } characters.
chat-unread = { $count ->
    [one] 1 new message
   *[other] { $count } new messages
}

call-react = React
call-sign-failed = Your reaction could not be sent. Please try again.
sign-of = { $name }: { $sign }
sign-thumbsup = Agree
sign-thumbsdown = Disagree
sign-clapping = Applause
sign-party = Congratulations
sign-laugh = Laughing
sign-wave = Hello
share-part = A window or a tab
share-whole = The whole screen …
share-whole-ask = Share the whole screen? Everybody in the call then sees everything on it: mails, messages and notifications, too. A single window is usually enough.

trouble-visit = You could not be announced in the meeting. Open the link again, or ask whoever invited you.
login-guest = I was invited and have no account

lobby-title = Waiting to be let in
lobby-guest = guest of { $organisation }, without an account
lobby-member = of { $organisation }
lobby-admit = Let in
lobby-refuse = Refuse
lobby-failed = That did not work: your homeserver did not take the answer. Please try again.
lobby-more = { $count ->
    [one] 1 more person is waiting
   *[other] { $count } more people are waiting
}
lobby-wait-title = Somebody will let you in
lobby-wait = You are announced as { $name }. Nobody sees or hears you yet. This page goes on by itself.
lobby-cancel = Do not wait any longer
lobby-refused-title = You were not let in
lobby-refused = Nobody has seen or heard you, { $name }. If this was a mistake, ask whoever invited you for a new link.

visit-title = Join with a code
visit-invited = { $organisation } invites you to this meeting.
visit-name = Your name, as the others will see it
visit-passcode = Passcode
visit-code = Code of nine digits
visit-enter = Ask to be let in
visit-look = Continue
visit-log-in = I have an account
visit-end = Finish, and erase what I said about myself
visit-privacy = { $organisation } makes an account for you that holds for this meeting. Your name is seen by the people in it, and its server learns your network address and when you are there. Picture and sound are encrypted: no server can see or hear them. After the meeting the account is erased; what you write in the chat stays in the room.
visit-problem-no-link = This link or code does not open anything: it may have been mistyped, used already, or be out of date. Ask whoever invited you for a new one.
visit-problem-passcode-spent = There were too many wrong passcodes for this link. Ask whoever invited you for a new one.
visit-problem-too-often = Too many tries. Wait a minute, then try again.
visit-problem-no-accounts = This organisation makes no accounts for guests. To take part you need an account.
visit-problem-no-guests = This meeting takes no guests. Ask whoever invited you.
visit-problem-full = There are as many guests in this meeting as there may be.
visit-problem-unreachable = The server does not answer. Check your network, then try again.

gone-title = You have left
gone-lead = Your account for this meeting is being erased. You can close this page.
gone-remains = What remains: what you wrote in the chat, and in the room’s history that somebody was there.

visit-problem-passcode = The passcode is not right.
visit-problem-name = Say a name, so that the others know who is there.

invite-title = Invite guests
invite-lead = A link lets people without an account ask to be let in. You let them in yourself.
invite-who = For whom is the link?
invite-once = One person
invite-meeting = Everybody who is sent it
invite-passcode = Passcode (if you want one)
invite-passcode-short = A passcode has at least 4 characters.
invite-make = Make a link
invite-address = The link
invite-copy = Copy
invite-copied = Copied
invite-spoken = To tell by telephone: { $code }
invite-tell-passcode = Tell the passcode in another way than the link.
invite-only-now = The link is shown only now. Make another one if you lose it.
invite-links = Links that open
invite-until = until { $until }
invite-uses = { $uses ->
    [0] not used yet
    [one] used once
   *[other] used { $uses } times
}
invite-with-passcode = with a passcode
invite-revoke = Revoke
invite-revoke-ask = Revoke this link? Nobody new comes in by it.
invite-revoke-with = Revoke and remove who came by it
invite-revoke-with-ask = Revoke this link and remove everybody who came by it? Their accounts are erased.

trouble-no-guests = This organisation takes no guests. To take part you need an account.
lack-route-crowded = So many servers are in this call that no further one is connected to.
link-crowded = So many servers are in this call that no further one is connected to.
lobby-waiting = { $count ->
    [one] 1 person is waiting to be let in
   *[other] { $count } people are waiting to be let in
}

gear-title = Devices
gear-microphone = Microphone
gear-camera = Camera
gear-speaker = Loudspeaker
gear-failed = This device cannot be used. Is it plugged in, and free?
gear-shortcuts = Use the keys M, V, H and L, and the space bar
gear-keys = Keys: M microphone, V camera, H hand, L layout. Hold the space bar to speak while you are muted.

panel-device = Device { $id }
panel-own = your own
panel-verified = verified by you
panel-signed = signed by its owner
panel-unsigned = not signed by its owner; only the homeserver says whose it is

layout-title = Layout
layout-grid = Grid: all the same size
layout-speaker = Whoever speaks is large
layout-spotlight = Spotlight: what you choose is large
layout-now = Layout: { $layout }
layout-pages = Pages of people
layout-before = Back
layout-after = Next
layout-page = Page { $page } of { $pages }
layout-unseen = Speaking, on another page: { $names }
layout-interpreter = Interpreter
tile-menu = More: { $name }
tile-light = Show large
tile-unlight = Not large any more
tile-pin = Pin: always among the first
tile-unpin = Unpin
tile-pinned = pinned
tile-interpret = Interpreter: always visible
tile-uninterpret = Not the interpreter any more

lack-key-waiting = It may still be on its way.
lack-key-asked = It has been asked for again.
lack-key-vain = Asking for it has not helped: { $name } should leave the call and join again.

lock-on = Lock the call
lock-off = Unlock
lock-is-on = This call is locked: nobody new gets in.
lock-is-on-moderator = This call is locked: nobody new gets in but moderators and those whom you let in.
lock-out = This call is locked. You get in as soon as a moderator lets you in or unlocks it.
lock-failed = The call could not be locked or unlocked: your homeserver did not take it. Please try again.
lock-let-in = Let into the locked call
lack-locked = { $name } wants to join, and the call is locked.

presenters-give = Make a presenter
presenters-take = Not a presenter any more
presenters-failed = The role could not be changed: your homeserver did not take it. Please try again.

kind-pictures = Meeting with pictures
kind-sound = Meeting with sound alone
kind-sound-ask = Go on with sound alone? All cameras and shared screens end at once, yours included.
kind-text = Meeting in writing alone
kind-text-ask = Go on in writing alone? All microphones, cameras and shared screens end at once, yours included.
kind-is-sound = This meeting has sound alone: nobody shows a camera or a screen.
kind-is-text = This meeting is in writing alone: nobody is seen or heard. Use the chat.
kind-failed = The kind of meeting could not be changed: your homeserver did not take it. Please try again.
saving-on = Receive no pictures (saves data)
saving-off = Receive pictures
saving-is-on = You receive no pictures, which saves data. The others do.

compare-title = Compare emoji
compare-ask = Compare emoji with { $name }
compare-asked = { $name } has been asked to compare emoji with you.
compare-wanted = { $name } wants to compare emoji with you: if you both see the same seven, nobody is in between.
compare-accept = Compare
compare-exchanging = One moment: the emoji come …
compare-emoji = Tell each other aloud: does { $name } see the same emoji, in the same order?
compare-said = Waiting for what { $name } says.
compare-yes = They are the same
compare-no = They are different
compare-same = You and { $name } have seen the same: this device is really theirs.
compare-different = The emoji were different. Somebody may be listening in between: do not say anything confidential to { $name }. Try once more; if they are different again, tell your administrators.
compare-ended = The comparison was ended, or { $name } did not answer in time. Nothing was found out.
compare-cancel = Not now
emoji-dog = Dog
emoji-cat = Cat
emoji-lion = Lion
emoji-horse = Horse
emoji-unicorn = Unicorn
emoji-pig = Pig
emoji-elephant = Elephant
emoji-rabbit = Rabbit
emoji-panda = Panda
emoji-rooster = Rooster
emoji-penguin = Penguin
emoji-turtle = Turtle
emoji-fish = Fish
emoji-octopus = Octopus
emoji-butterfly = Butterfly
emoji-flower = Flower
emoji-tree = Tree
emoji-cactus = Cactus
emoji-mushroom = Mushroom
emoji-globe = Globe
emoji-moon = Moon
emoji-cloud = Cloud
emoji-fire = Fire
emoji-banana = Banana
emoji-apple = Apple
emoji-strawberry = Strawberry
emoji-corn = Corn
emoji-pizza = Pizza
emoji-cake = Cake
emoji-heart = Heart
emoji-smiley = Smiley
emoji-robot = Robot
emoji-hat = Hat
emoji-glasses = Glasses
emoji-spanner = Spanner
emoji-santa = Santa
emoji-thumbs-up = Thumbs up
emoji-umbrella = Umbrella
emoji-hourglass = Hourglass
emoji-clock = Clock
emoji-gift = Gift
emoji-light-bulb = Light bulb
emoji-book = Book
emoji-pencil = Pencil
emoji-paperclip = Paperclip
emoji-scissors = Scissors
emoji-lock = Lock
emoji-key = Key
emoji-hammer = Hammer
emoji-telephone = Telephone
emoji-flag = Flag
emoji-train = Train
emoji-bicycle = Bicycle
emoji-aeroplane = Aeroplane
emoji-rocket = Rocket
emoji-trophy = Trophy
emoji-ball = Ball
emoji-guitar = Guitar
emoji-trumpet = Trumpet
emoji-bell = Bell
emoji-anchor = Anchor
emoji-headphones = Headphones
emoji-folder = Folder
emoji-pin = Pin

announcements-title = Announcements
announcements-lead = What screen readers tell you during a call. Switch off what you do not want to hear; it can still be read on the page.
announcements-which = Tell me
announcements-people = who comes and who leaves
announcements-hands = raised and lowered hands
announcements-reactions = reactions
announcements-chat = new messages
announcements-lobby = who is waiting to be let in
announcements-meeting = that the call is locked, or goes on without pictures or sound
announcements-media = why somebody is neither seen nor heard
announcements-connection = how my connection is
announcements-own = What follows from what you do yourself is always told. This choice stays in this browser.
told-joined = { $count ->
    [one] { $names } has joined
   *[other] { $names } have joined
}
told-left = { $count ->
    [one] { $names } has left
   *[other] { $names } have left
}
told-hand-up = { $count ->
    [one] { $names } has raised a hand
   *[other] { $names } have raised a hand
}
told-hand-down = { $count ->
    [one] { $names } has lowered a hand
   *[other] { $names } have lowered a hand
}
told-many-joined = { $count } people have joined
told-many-left = { $count } people have left
told-many-hand-up = { $count } people have raised a hand
told-many-hand-down = { $count } people have lowered a hand

call-offline = This device has no network. The call goes on by itself once there is one again.
call-lost = The connection to the server of { $organisations } was lost. Connecting again …
detour-tcp = Your network blocks UDP, so TCP is used. When the network is busy, picture and sound may stutter.
detour-relay = Your network lets nothing through to your server directly, so a relay is used. Picture and sound may come a little later.

private-write = Write to { $name } alone
private-conversations = Conversations
private-everybody = Everybody
private-readers = Only you and { $name } can read this.
private-room = It stands in a room of your own, which other Matrix apps show as well, and stays there.
private-room-guest = It stands in a room of your own. As a guest you can answer in it; after the meeting you are in it no more, and what you wrote stays there.
private-to = Message to { $name } alone
private-failed = The conversation with { $name } could not be begun: your homeserver did not take it. Your message still stands below.
private-failed-guest = The conversation with { $name } is over. As a guest you cannot begin one yourself. Your message still stands below.
told-wrote = { $name } has written to you alone
