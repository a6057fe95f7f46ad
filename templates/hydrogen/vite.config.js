import { copyFileSync, mkdirSync } from "node:fs";

// The service worker, which fetches media with the session's token, has to be at the root.
mkdirSync("public", { recursive: true });
copyFileSync("node_modules/hydrogen-view-sdk/lib-build/sw.js", "public/sw.js");

export default {
    base: "./",
    build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 4096 },
};
