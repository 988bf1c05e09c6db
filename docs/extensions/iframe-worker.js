/* Search in pages that are opened from disk. Browsers start no worker there, so its script runs in a
   hidden frame. The theme's own way to do so is a script from elsewhere (mkdocs.yml). */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inner = frame.contentWindow;
      const inside = this.inner.document;
      inside.open();
      inside.write("<!doctype html><body>");
      inside.close();
      const load = (source) =>
        new Promise((resolve, reject) => {
          const script = inside.createElement("script");
          Object.assign(script, { src: source, onload: resolve, onerror: reject });
          inside.body.append(script);
        });
      this.inner.importScripts = (...sources) =>
        sources.reduce((done, source) => done.then(() => load(source)), Promise.resolve());
      this.inner.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      this.ready = load(url);
    }

    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {}
  };
  // By this name the theme's worker knows that it runs in a frame.
  window.IFrameWorker = window.Worker;
}
