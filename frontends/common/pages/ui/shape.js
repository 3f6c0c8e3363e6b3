// Whether an answer is what a node says of itself. At the address of a node that is down may be anybody; what is
// taken apart below must not end the page, which has others to show.

const MOST_ITEMS = 10_000;
const MOST_MEMBERS = 256; // as many as a view has

const words = (value) => typeof value === "string";
const number = (value) => typeof value === "number";
// More digits than a JavaScript number holds stay text (net.js).
const integer = (value) => Number.isSafeInteger(value) || (words(value) && /^-?[0-9]{1,20}$/.test(value));
const address = (value) =>
  words(value) && /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,255}):[1-9][0-9]{0,4}$/.test(value);
const maybe = (is) => (value) => value === null || value === undefined || is(value);
const list = (is, most = MOST_ITEMS) => (value) =>
  Array.isArray(value) && value.length <= most && value.every(is);
const object = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const record = (fields) => (value) =>
  object(value) && Object.entries(fields).every(([name, is]) => is(value[name]));
const table = (is) => (value) => object(value) && list(is)(Object.values(value));

const members = list(record({ id: integer, address }), MOST_MEMBERS);

const advice = record({
  what: words,
  costs: (value) => words(value) && value !== "",
  remedy: (value) => words(value) && value !== "",
  caution: maybe((value) => words(value) && value !== ""),
  put: (value) => value === null || record({ view: members, epoch: maybe(integer) })(value),
});

const anyEvent = record({ number, time: words, event: words, level: words, words, fields: object });
const ballot = record({ ballot: words });
const FIELDS = {
  proposed: record({ ballot: words, members: maybe(words) }),
  became_primary: ballot,
  installed: ballot,
};
const event = (value) => anyEvent(value) && (!Object.hasOwn(FIELDS, value.event) || FIELDS[value.event](value.fields));

const totals = record({ requests: table(table(record({ count: number, seconds: number }))), rejected: table(number) });

export const isStatus = record({
  id: integer,
  incarnation: words,
  version: words,
  status: words,
  role: words,
  reads: words,
  view: members,
  epoch: maybe(integer),
  primary: maybe(integer),
  commit: integer,
  uptime_s: number,
  blocked: maybe(words),
  waiting_for: list(record({ id: integer, reason: words })),
  dropped: list(record({ id: integer, from: integer, to: integer })),
  log: record({ start: integer, end: integer }),
  waiting: record({ requests: integer, parked: integer, uncommitted: integer }),
  backups: list(record({ id: integer, acked: integer, lag: integer })),
  transfers: list(record({ id: integer, done: number, total: number, unit: words, what: words, direction: words })),
  advice: maybe(advice),
  mail: list(record({ address: words, bytes: number })),
  totals: maybe(totals),
  settings: object,
  events: record({ last: number, list: list(event) }),
});

export const isWhy = record({
  summary: words,
  waiting: list(record({ operation: words, words: (value) => words(value) && value !== "", since_ms: number })),
  left_out: number,
  at_primary: maybe(record({ parked: number })),
});
