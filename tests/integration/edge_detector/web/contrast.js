// Measured in the page: what is too faint against its background, and controls without a name.
() => {
  const parse = (text) => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    return { rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1 };
  };
  const over = (front, back) => front.rgb.map((part, at) => part * front.alpha + back[at] * (1 - front.alpha));
  const background = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const layer = parse(getComputedStyle(at).backgroundColor);
      layers.unshift(layer);
      if (layer.alpha === 1) break;
    }
    return layers.reduce((back, front) => over(front, back), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const isSeen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !element.closest(".unseen, :disabled");
  const faults = [];
  let count = 0;
  const require = (least, found, what) => {
    count += 1;
    if (found < least) faults.push(`${what}: ${found.toFixed(2)} < ${least}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !isSeen(element)) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const back = background(element);
    require(isLarge ? 3 : 4.5, ratio(over(parse(style.color), back), back), `text "${walker.currentNode.textContent.trim()}"`);
  }
  for (const control of document.querySelectorAll("button, input, select, a[href]")) {
    if (!isSeen(control)) continue;
    const name = control.getAttribute("aria-label") ?? (control.labels?.[0]?.textContent || control.textContent).trim();
    if (!name) faults.push(`${control.outerHTML}: has no name`);
    if (control.matches("a, .episode")) continue; // known as such by their text
    const style = getComputedStyle(control);
    const around = background(control.parentElement);
    const edge = Math.max(ratio(parse(style.borderTopColor).rgb, around), ratio(background(control), around));
    require(3, edge, `edge of "${name}"`);
  }
  const probe = (document.querySelector("dialog[open]") ?? document).querySelector("button:not(.episode)");
  document.activeElement.blur(); // what has the focus by the mouse has no outline
  probe.focus({ focusVisible: true });
  const style = getComputedStyle(probe);
  if (style.outlineStyle === "none") faults.push("a button with the focus has no outline");
  require(3, ratio(parse(style.outlineColor).rgb, background(probe.parentElement)), "outline of the focus");
  probe.blur();
  return { count, faults };
}
