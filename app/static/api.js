// Requests to the service, and its problems as text.

/** What went wrong: the detail of the service's problem (RFC 9457), or a text of the page. */
export class Problem extends Error {
  constructor(title, detail, type = "") {
    super(`${title}. ${detail}`);
    this.title = title;
    this.detail = detail;
    this.type = type;
  }
}

export const model = () => ask("model", { headers: { Accept: "application/json" } });

let explainable = true;

/** The answer for one photo, with its evidence if the model can be explained. */
export async function explain(photo) {
  if (!explainable) return post("predict", photo);
  try {
    return await post("explain", photo);
  } catch (problem) {
    if (problem.type !== "urn:problem:not-explainable") throw problem;
    explainable = false;
    return post("predict", photo);
  }
}

export const layers = (photo) => post("layers", photo);

function post(path, photo) {
  const body = new FormData();
  body.append("file", photo, photo.name || "photo.png");
  return ask(path, { method: "POST", body });
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem("The service does not answer", "Check that it is running, then try again.");
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body) return body;
  const title = body?.title ?? `The service answered ${answer.status}`;
  throw new Problem(title, body?.detail ?? "Try again in a moment.", body?.type);
}
