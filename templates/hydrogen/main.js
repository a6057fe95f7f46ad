// The whole client: Hydrogen's own views, told which homeserver this is.
import { createNavigation, createRouter, FeatureSet, Platform, RootViewModel } from "hydrogen-view-sdk";
import "hydrogen-view-sdk/assets/theme-element-light.css";
import downloadSandbox from "hydrogen-view-sdk/download-sandbox.html?url";
import worker from "hydrogen-view-sdk/main.js?url";
import legacyBundle from "@matrix-org/olm/olm_legacy.js?url";
import wasmBundle from "@matrix-org/olm/olm.js?url";
import wasm from "@matrix-org/olm/olm.wasm?url";

async function show() {
    const answer = await fetch("config.json");
    const assetPaths = { downloadSandbox, worker, serviceWorker: "sw.js", olm: { wasm, wasmBundle, legacyBundle } };
    const platform = new Platform({
        container: document.body,
        assetPaths,
        config: await answer.json(),
        options: { development: false },
    });
    const navigation = createNavigation();
    platform.setNavigation(navigation);
    await platform.init();
    const urlRouter = createRouter({ navigation, history: platform.history });
    urlRouter.attach();
    const features = await FeatureSet.load(platform.settingsStorage);
    const root = new RootViewModel({ platform, urlRouter, navigation, features });
    await root.load();
    platform.createAndMountRootView(root);
}

show().catch((error) => {
    document.body.textContent = `The client cannot be shown: ${error.message}`;
});
