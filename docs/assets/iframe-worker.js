// Search where the site is opened from its folder: browsers start no worker from a file.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      this.ready = new Promise((resolve) => {
        inside.postMessage = (data) =>
          this.dispatchEvent(new MessageEvent("message", { data }));
        inside.importScripts = (...urls) =>
          urls.reduce((before, src) => before.then(() => load(inside, src)), Promise.resolve());
        load(inside, url).then(() => resolve(inside));
      });
    }

    postMessage(data) {
      this.ready.then((inside) =>
        inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }

    terminate() {}
  };
}

function load(inside, src) {
  return new Promise((resolve, reject) => {
    const script = inside.document.createElement("script");
    script.onload = resolve;
    script.onerror = reject;
    script.src = src;
    inside.document.body.append(script);
  });
}
