// Talks to the service.

export class Refusal extends Error {}

async function ask(method, path, body, type = "application/json") {
  const response = await fetch(`api/${path}`, {
    method,
    body,
    headers: body === undefined ? {} : { "Content-Type": type },
  });
  if (response.status === 204) return null;
  if (response.ok) return response.json();
  const answer = await response.json().catch(() => ({}));
  const reason = typeof answer.detail === "string" ? answer.detail : `refused (${response.status})`;
  throw new Refusal(reason);
}

export const look = () => ask("GET", "state");
export const offer = (jpeg) => ask("POST", "frames", jpeg, "image/jpeg");
export const step = (fields) => ask("POST", "steps", JSON.stringify(fields));
export const choose = (name) => ask("POST", "source", JSON.stringify({ name }));
export const namePerson = (name) => ask("POST", "person", JSON.stringify({ name }));
export const erase = (id) => ask("DELETE", `pictures/${id}`);
export const quit = () => ask("POST", "quit");

export const pictureUrl = (id) => `api/pictures/${id}`;

export async function framePicture(number) {
  const response = await fetch(`api/frames/${number}`);
  return response.ok ? createImageBitmap(await response.blob()) : null;
}
