// Limits how many photos are in work at a time, so that ten large ones do not fill the memory.

/** A function that runs asynchronous work in the order of its calls, at most `limit` at a time. */
export function queue(limit) {
  const waiting = [];
  let running = 0;

  function next() {
    if (running >= limit || waiting.length === 0) return;
    const { work, resolve, reject } = waiting.shift();
    running += 1;
    work().then(resolve, reject).finally(() => {
      running -= 1;
      next();
    });
  }

  return (work) =>
    new Promise((resolve, reject) => {
      waiting.push({ work, resolve, reject });
      next();
    });
}
