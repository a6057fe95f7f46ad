// Runs the client of the document: what comes in by lines is said, what is heard goes out by lines.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chat } from "./chat.mjs";

const [url, talk, user, after] = process.argv.slice(2);
const getItem = (name) => {
  try { return readFileSync(name, "utf8"); } catch { return null; }
};
const store = { getItem, setItem: writeFileSync };
const heard = (event) => console.log(JSON.stringify(event));
const { say } = chat({ url, talk, user, token: () => process.env.KEY, after, store, heard });
for await (const line of createInterface({ input: process.stdin })) say(line);
process.exit();
