// The guest's side of the kube-scheduler Wasm ABI, as far as this plugin needs it.

@external("k8s.io/scheduler", "get_config")
declare function get_config(buffer: usize, limit: i32): i32;
@external("k8s.io/scheduler", "currentPod")
declare function current_pod(buffer: usize, limit: i32): i32;
@external("k8s.io/scheduler", "currentNodeName")
declare function current_node_name(buffer: usize, limit: i32): i32;
@external("k8s.io/scheduler", "result.status_reason")
declare function status_reason(text: usize, length: i32): void;
@external("k8s.io/api", "node")
declare function node(name: usize, nameLength: i32, buffer: usize, limit: i32): i32;

export const SUCCESS: i32 = 0;
export const ERROR: i32 = 1;
export const SKIP: i32 = 5;

/** Tells the host why, and gives back the code. */
export function status(code: i32, reason: string): i32 {
  const text = Uint8Array.wrap(String.UTF8.encode(reason));
  status_reason(text.dataStart, text.length);
  return code;
}

// The ABI's way to read: the host answers the full length, and writes only when the buffer holds all of it. So the
// first try uses a buffer for nearly all cases, and a second one is made to measure.

let buffer = new Uint8Array(8192);

function room(length: i32): bool {
  if (length <= buffer.length) return true;
  buffer = new Uint8Array(length);
  return false;
}

export function config(): string {
  let length = get_config(buffer.dataStart, buffer.length);
  if (!room(length)) length = get_config(buffer.dataStart, buffer.length);
  return String.UTF8.decodeUnsafe(buffer.dataStart, length);
}

/** The Pod of this cycle as a protobuf message; valid until the next read. */
export function currentPod(): Uint8Array {
  let length = current_pod(buffer.dataStart, buffer.length);
  if (!room(length)) length = current_pod(buffer.dataStart, buffer.length);
  return buffer.subarray(0, length);
}

const nodeName = new Uint8Array(253); // the longest name that Kubernetes allows

/** The node of this call as a protobuf message, empty when the host knows none; valid until the next read. */
export function currentNode(): Uint8Array {
  const nameLength = current_node_name(nodeName.dataStart, nodeName.length);
  if (nameLength > nodeName.length) return buffer.subarray(0, 0);
  let length = node(nodeName.dataStart, nameLength, buffer.dataStart, buffer.length);
  if (!room(length)) length = node(nodeName.dataStart, nameLength, buffer.dataStart, buffer.length);
  return buffer.subarray(0, length);
}
