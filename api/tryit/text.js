// Text helpers of the try-it page.

export function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

export const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

export function pretty(number) {
  const d = number.match(/^\+?1(\d{3})(\d{3})(\d{4})$/);
  return d ? `+1 ${d[1]} ${d[2]} ${d[3]}` : number;
}

// The API accepts digits only; people also write spaces, dots, dashes and brackets.
export const bare = (number) => number.replace(/[\s().-]/g, "");

export function lifetime(seconds) {
  if (seconds % 3600 === 0) return plural(seconds / 3600, "hour");
  if (seconds % 60 === 0) return plural(seconds / 60, "minute");
  return plural(seconds, "second");
}

export function countdown(seconds) {
  const s = Math.max(0, Math.ceil(seconds));
  const pad = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60) % 60;
  return s < 3600 ? `${minutes}:${pad(s % 60)}` : `${Math.floor(s / 3600)}:${pad(minutes)}:${pad(s % 60)}`;
}

// quote returns a text as one shell word.
export const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
