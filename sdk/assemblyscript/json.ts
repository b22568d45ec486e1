// JSON values: read from UTF-8, changed, and written to UTF-8. Absent and null are the same, as they are in Kubernetes.

export const enum Kind { Null, False, True, Number, Text, List, Object }

export class Json {
  names: Array<string> = [];
  items: Array<Json> = [];

  /** `text`: of a text, decoded; of a number, as it stands. */
  constructor(public kind: Kind = Kind.Null, public text: string = "") {}

  static none(): Json { return new Json(); }
  static of(text: string): Json { return new Json(Kind.Text, text); }
  static number(value: f64): Json {
    return new Json(Kind.Number, value == Math.floor(value) && Math.abs(value) < 1e15 ? (<i64>value).toString() : value.toString());
  }
  static integer(value: i64): Json { return new Json(Kind.Number, value.toString()); }
  static bool(value: bool): Json { return new Json(value ? Kind.True : Kind.False); }
  static list(): Json { return new Json(Kind.List); }
  static object(): Json { return new Json(Kind.Object); }
  static texts(values: Array<string>): Json {
    const list = Json.list();
    for (let index = 0; index < values.length; index++) list.items.push(Json.of(values[index]));
    return list;
  }

  isNull(): bool { return this.kind == Kind.Null; }
  isTrue(): bool { return this.kind == Kind.True; }
  isNumber(): bool { return this.kind == Kind.Number; }
  isObject(): bool { return this.kind == Kind.Object; }

  /** Of a text; "" of anything else. */
  string(): string { return this.kind == Kind.Text ? this.text : ""; }

  /** Of a whole number; `otherwise` of anything else. */
  integer(otherwise: i64 = 0): i64 { return this.kind == Kind.Number ? <i64>F64.parseFloat(this.text) : otherwise; }

  /** Of a number; `otherwise` of anything else. */
  number(otherwise: f64 = 0): f64 { return this.kind == Kind.Number ? F64.parseFloat(this.text) : otherwise; }

  /** The member of an object; null where there is none. */
  get(name: string): Json {
    const at = this.kind == Kind.Object ? this.names.lastIndexOf(name) : -1;
    return at < 0 ? Json.none() : this.items[at];
  }

  /** `get` through objects: at("metadata", "labels"). */
  at(first: string, second: string, third: string = ""): Json {
    const found = this.get(first).get(second);
    return third.length ? found.get(third) : found;
  }

  /** Adds a member, or replaces it. */
  set(name: string, value: Json): Json {
    const at = this.names.indexOf(name);
    if (at >= 0) this.items[at] = value;
    else {
      this.names.push(name);
      this.items.push(value);
    }
    return this;
  }

  setText(name: string, value: string): Json { return this.set(name, Json.of(value)); }

  /** Nothing for "". */
  setTextIfAny(name: string, value: string): void { if (value.length) this.setText(name, value); }

  /** Nothing for an empty list. */
  setTextsIfAny(name: string, values: Array<string>): void { if (values.length) this.set(name, Json.texts(values)); }

  push(value: Json): Json {
    this.items.push(value);
    return this;
  }

  toString(): string {
    const writer = new Writer();
    writer.value(this);
    return String.UTF8.decodeUnsafe(writer.bytes.dataStart, writer.length);
  }
}

/** A value as UTF-8. */
export function written(value: Json): Uint8Array {
  const writer = new Writer();
  writer.value(value);
  return writer.bytes.subarray(0, writer.length);
}

/** The value that a text holds; null if it holds none. */
export function parsed(bytes: Uint8Array): Json | null {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  reader.space();
  return reader.failed || reader.at < bytes.length ? null : value;
}

class Writer {
  bytes: Uint8Array = new Uint8Array(1024);
  length: i32 = 0;

  value(value: Json): void {
    switch (value.kind) {
      case Kind.Null: this.raw("null"); break;
      case Kind.False: this.raw("false"); break;
      case Kind.True: this.raw("true"); break;
      case Kind.Number: this.raw(value.text); break;
      case Kind.Text: this.text(value.text); break;
      default: this.nested(value);
    }
  }

  nested(value: Json): void {
    const isObject = value.kind == Kind.Object;
    this.byte(isObject ? 0x7b : 0x5b);
    for (let index = 0; index < value.items.length; index++) {
      if (index) this.byte(0x2c);
      if (isObject) {
        this.text(value.names[index]);
        this.byte(0x3a);
      }
      this.value(value.items[index]);
    }
    this.byte(isObject ? 0x7d : 0x5d);
  }

  text(text: string): void {
    const escaped = needsEscapes(text) ? escapedText(text) : text;
    this.byte(0x22);
    this.raw(escaped);
    this.byte(0x22);
  }

  raw(text: string): void {
    const size = String.UTF8.byteLength(text);
    this.room(size);
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.bytes.dataStart + this.length);
    this.length += size;
  }

  byte(byte: u8): void {
    this.room(1);
    this.bytes[this.length++] = byte;
  }

  room(size: i32): void {
    if (this.length + size <= this.bytes.length) return;
    const larger = new Uint8Array(max(2 * this.bytes.length, this.length + size));
    memory.copy(larger.dataStart, this.bytes.dataStart, this.length);
    this.bytes = larger;
  }
}

function needsEscapes(text: string): bool {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit == 0x22 || unit == 0x5c) return true;
  }
  return false;
}

function escapedText(text: string): string {
  const pieces = new Array<string>();
  let from = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x20 && unit != 0x22 && unit != 0x5c) continue;
    pieces.push(text.substring(from, index));
    pieces.push(unit < 0x20 ? "\\u00" + unit.toString(16).padStart(2, "0") : "\\" + String.fromCharCode(unit));
    from = index + 1;
  }
  pieces.push(text.substring(from));
  return pieces.join("");
}

const DEEPEST = 200;

class Reader {
  at: i32 = 0;
  failed: bool = false;

  constructor(public bytes: Uint8Array) {}

  space(): void {
    while (this.at < this.bytes.length && this.bytes[this.at] <= 0x20) this.at++;
  }

  /** The next byte that is no space, 0 at the end. */
  next(): u8 {
    this.space();
    return this.at < this.bytes.length ? this.bytes[this.at] : 0;
  }

  value(depth: i32): Json {
    const first = this.next();
    if (depth > DEEPEST) return this.fail();
    if (first == 0x7b || first == 0x5b) return this.nested(depth, first == 0x7b);
    if (first == 0x22) return Json.of(this.string());
    return this.word();
  }

  nested(depth: i32, isObject: bool): Json {
    const end: u8 = isObject ? 0x7d : 0x5d;
    const value = isObject ? Json.object() : Json.list();
    this.at++;
    if (this.next() == end) {
      this.at++;
      return value;
    }
    while (!this.failed) {
      if (isObject) {
        if (this.next() != 0x22) return this.fail();
        value.names.push(this.string());
        if (this.next() != 0x3a) return this.fail();
        this.at++;
      }
      value.items.push(this.value(depth + 1));
      const mark = this.next();
      this.at++;
      if (mark == end) return value;
      if (mark != 0x2c) return this.fail();
    }
    return value;
  }

  word(): Json {
    const start = this.at;
    while (this.at < this.bytes.length && isWord(this.bytes[this.at])) this.at++;
    const text = String.UTF8.decodeUnsafe(this.bytes.dataStart + start, this.at - start);
    if (text == "null") return Json.none();
    if (text == "true") return Json.bool(true);
    if (text == "false") return Json.bool(false);
    const first = text.length ? text.charCodeAt(0) : 0;
    const isNumber = first == 0x2d || (first >= 0x30 && first <= 0x39);
    return isNumber ? new Json(Kind.Number, text) : this.fail();
  }

  string(): string {
    const start = ++this.at;
    while (this.at < this.bytes.length && this.bytes[this.at] != 0x22) {
      if (this.bytes[this.at] == 0x5c) return this.escaped(start);
      this.at++;
    }
    return this.ended(start);
  }

  /** The text from `start` to the closing quote, which is passed. */
  ended(start: i32): string {
    const text = String.UTF8.decodeUnsafe(this.bytes.dataStart + start, this.at - start);
    if (this.at++ >= this.bytes.length) this.failed = true;
    return text;
  }

  escaped(start: i32): string {
    const pieces = new Array<string>();
    let from = start;
    while (this.at < this.bytes.length && this.bytes[this.at] != 0x22) {
      if (this.bytes[this.at] != 0x5c) {
        this.at++;
        continue;
      }
      pieces.push(String.UTF8.decodeUnsafe(this.bytes.dataStart + from, this.at - from));
      pieces.push(this.escape());
      from = this.at;
    }
    pieces.push(this.ended(from));
    return pieces.join("");
  }

  escape(): string {
    const mark: u8 = this.at + 1 < this.bytes.length ? this.bytes[this.at + 1] : 0;
    this.at += 2;
    switch (mark) {
      case 0x62: return "\b";
      case 0x66: return "\f";
      case 0x6e: return "\n";
      case 0x72: return "\r";
      case 0x74: return "\t";
      case 0x75: return this.unit();
      case 0x22: case 0x2f: case 0x5c: return String.fromCharCode(mark);
    }
    this.failed = true;
    return "";
  }

  unit(): string {
    let unit = 0;
    for (let count = 0; count < 4; count++) {
      const digit = this.at < this.bytes.length ? hexadecimal(this.bytes[this.at]) : -1;
      if (digit < 0) this.failed = true;
      unit = (unit << 4) | (digit & 15);
      this.at++;
    }
    return String.fromCharCode(unit);
  }

  fail(): Json {
    this.failed = true;
    return Json.none();
  }
}

function isWord(byte: u8): bool {
  return byte == 0x2b || byte == 0x2d || byte == 0x2e || (byte >= 0x30 && byte <= 0x39) ||
    ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
}

function hexadecimal(byte: u8): i32 {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
