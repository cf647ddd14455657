"""Scripts that look at a page as a person would: what sticks out, what is too pale to read."""

from __future__ import annotations

BEYOND = """(() => {
    const wide = document.documentElement.clientWidth, beyond = [];
    if (document.documentElement.scrollWidth > wide) beyond.push("the page itself");
    const parts = "header *, .tabs *, .told *, .figures *, .functions td, .traces td";
    for (const one of document.querySelectorAll(parts)) {
        const { left, right, width } = one.getBoundingClientRect();
        if (width && (right > wide + 1 || left < -1)) beyond.push(one.outerHTML.slice(0, 80));
    }
    for (const one of document.querySelectorAll(".scroll:not(:has(.map))")) {
        if (one.scrollWidth > one.clientWidth) beyond.push(`too wide: ${one.innerText.slice(0, 40)}`);
    }
    return beyond;
})()"""
"""What of a page sticks out of the window on either side."""

PALE = """(() => {
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const parts = (colour) => {  // as the screen shows it, whatever notation it is in
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const linear = (one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    const light = (colour) => {
        const [r, g, b] = colour.map((one) => linear(one / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const over = (below, top) => below.map((one, at) => one * (1 - top[3]) + top[at] * top[3]);
    const ground = (one) => {
        const above = [];
        for (let at = one; at; at = at.parentElement) above.unshift(getComputedStyle(at).backgroundColor);
        return above.map(parts).reduce(over, [255, 255, 255]);
    };
    const pale = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode.data.trim(), one = texts.currentNode.parentElement;
        const style = getComputedStyle(one);
        if (!text || !one.getClientRects().length || parseFloat(style.fontSize) === 0) continue;
        const ink = light(parts(one instanceof SVGElement ? style.fill : style.color));
        const paper = light(ground(one));
        const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        const name = `${one.tagName}.${one.getAttribute("class")}: ${text.slice(0, 30)}`;
        if (contrast < 4.5) pale.add(`${contrast.toFixed(2)} ${name}`);
    }
    return [...pale];
})()"""
"""Texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3)."""
