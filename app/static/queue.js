// So much at a time, the rest in line: ten large photos must not fill memory or the network.

/** A function that runs asynchronous work, at most `limit` at a time, in the order of calls. */
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
