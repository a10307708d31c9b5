// The strip of frames of a video: decoded by the browser when it comes into view.

function strip(video) {
  const found = frames(video);
  if (found === null) return null;
  if (found.error) return make("p", { class: "note" }, `No frames: ${found.error}`);
  const images = found.images.map((image, place) => {
    const when = `${found.seconds[place].toFixed(1)} s`;
    return make("li", {},
      make("img", { src: `data:image/jpeg;base64,${image}`, alt: `Frame at ${when}`,
                    width: found.width, height: found.height, loading: "lazy",
                    decoding: "async" }),
      make("span", { "aria-hidden": "true" }, when));
  });
  return make("ol", { class: "strip", tabindex: "0", "aria-label": `${images.length} frames` },
    ...images);
}
