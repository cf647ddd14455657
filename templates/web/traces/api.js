// What the server is asked. A page that was saved as one file has its answers inside.

import { address } from "traces/format.js";

const saved = document.getElementById("saved");
const answers = saved ? JSON.parse(saved.textContent) : null;

export const isSaved = answers !== null;

export class Failed extends Error {}

export async function get(path, query) {
  if (isSaved) {
    if (path in answers) return answers[path];
    throw new Failed("this is not part of the saved page");
  }
  return answered(await fetch(address(path, query)));
}

export async function post(path, data) {
  const headers = { "Content-Type": "application/json" };
  return answered(await fetch(path, { method: "POST", headers, body: JSON.stringify(data) }));
}

async function answered(response) {
  const data = await response.json();
  if (!response.ok) throw new Failed(data.error);
  return data;
}
