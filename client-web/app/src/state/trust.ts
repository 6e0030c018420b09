// Which messages between devices are taken for keys of media.

/** What a key comes in (MSC4143, as Element Call has it). */
const KEY_EVENT = "io.element.call.encryption_keys";

/** A message for this device, and how it came; `null`: in the clear. */
export interface Received {
  message: { type?: string; content?: { member?: { claimed_device_id?: unknown } } };
  encryptionInfo: { senderDevice?: string } | null;
}

/** Whether what came for this device may be taken for what it says. */
export function isTrustworthy({ message, encryptionInfo }: Received): boolean {
  if (message.type !== KEY_EVENT) return true;
  if (!encryptionInfo) return false;
  const { senderDevice } = encryptionInfo;
  return senderDevice === undefined || senderDevice === message.content?.member?.claimed_device_id;
}
