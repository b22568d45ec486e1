// Reads protobuf messages in place, as far as this plugin needs them: a sub-message, an entry of map<string, string>.
// What is malformed reads as absent: Pods and nodes come from the host, not from strangers.

/** Fields of k8s.io/api/core/v1 Pod and Node, and of their ObjectMeta. */
export const METADATA = 1;
export const LABELS = 11;
export const ANNOTATIONS = 12;

const NOTHING = new Uint8Array(0);

class Reader {
  private at: i32 = 0;
  number: i32 = 0;
  bytes: Uint8Array = NOTHING;

  constructor(private readonly message: Uint8Array) {}

  /** Moves to the next field; false at the end, or where the message makes no sense. */
  next(): bool {
    if (this.at >= this.message.length) return false;
    const tag = this.varint();
    const kind = <i32>(tag & 7);
    this.number = <i32>(tag >> 3);
    this.bytes = NOTHING;
    if (kind == 0) {
      this.varint();
      return true;
    }
    const length: u64 = kind == 1 ? 8 : kind == 5 ? 4 : kind == 2 ? this.varint() : u64.MAX_VALUE;
    if (length > <u64>(this.message.length - this.at)) return false;
    this.bytes = this.message.subarray(this.at, this.at + <i32>length);
    this.at += <i32>length;
    return true;
  }

  private varint(): u64 {
    let value: u64 = 0;
    for (let shift: u64 = 0; shift < 64 && this.at < this.message.length; shift += 7) {
      const byte = this.message[this.at++];
      value |= <u64>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.at = this.message.length;
    return u64.MAX_VALUE;
  }
}

/** The content of the first field of that number; empty when there is none. */
export function find(message: Uint8Array, number: i32): Uint8Array {
  const reader = new Reader(message);
  while (reader.next()) if (reader.number == number) return reader.bytes;
  return NOTHING;
}

/** A key to look up: encoded once, so that a lookup decodes nothing but what it finds. */
export function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

/** The value of `key` in the map<string, string> that is field `number`; "" when there is none. */
export function findInMap(message: Uint8Array, number: i32, key: Uint8Array): string {
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.number == number && equal(find(reader.bytes, 1), key)) return textOf(find(reader.bytes, 2));
  }
  return "";
}

function equal(a: Uint8Array, b: Uint8Array): bool {
  return a.length == b.length && memory.compare(a.dataStart, b.dataStart, a.length) == 0;
}

function textOf(bytes: Uint8Array): string {
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}
