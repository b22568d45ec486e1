// Kubernetes' times: 2025-11-24T16:00:00Z, with or without a fraction of a second.

/** Milliseconds since 1970; -1 where the text is no such time. */
export function milliseconds(text: string): i64 {
  if (text.length < 20 || !text.endsWith("Z") || text.charAt(10) != "T") return -1;
  const year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || minute < 0 || second < 0) return -1;
  return (((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

function digits(text: string, from: i32, count: i32): i64 {
  let value: i64 = 0;
  for (let index = from; index < from + count; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Since 1970. Years begin in March here, so that the leap day is a year's last one. */
function days(year: i64, month: i64, day: i64): i64 {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return y * 365 + y / 4 - y / 100 + y / 400 + dayOfYear - 719468;
}
