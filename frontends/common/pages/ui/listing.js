// The listing of a store, as far as it is worth loading: keys and values from a JSON object that may end early.

const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;

// The whole pairs in the beginning of a JSON object of strings.
export function pairsOf(words) {
  const pairs = [];
  let at = words.indexOf("{") + 1;
  const string = () => {
    STRING.lastIndex = at;
    const match = STRING.exec(words);
    if (match === null) return null;
    at = STRING.lastIndex;
    return match[0];
  };
  while (at > 0) {
    const key = string();
    if (key === null || words[at] !== ":") break;
    at += 1;
    const value = string();
    // A string that ends where the text does may go on: its end has been seen only with what follows.
    if (value === null || at >= words.length) break;
    pairs.push([JSON.parse(key), JSON.parse(value)]);
    if (words[at] !== ",") break;
    at += 1;
  }
  return pairs;
}

// At most about `limit` bytes of the body; whether that was all of it.
export async function beginning(response, limit) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let words = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { words: words + decoder.decode(), size, whole: true };
    size += value.length;
    words += decoder.decode(value, { stream: true });
    if (size >= limit) {
      await reader.cancel();
      return { words, size, whole: false };
    }
  }
}
