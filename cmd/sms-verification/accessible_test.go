package main

import (
	"slices"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
)

// accessible checks that controls have names, fields have labels and texts have
// contrast, and that nothing moves or is wider than the window.
func (b *tab) accessible(state string) {
	b.Helper()
	if wide := js[int](b, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
		b.Errorf("%s: the page is %d pixels wider than the window", state, wide)
	}
	if moving := js[int](b, `document.getAnimations().length`); moving > 0 { // the tests ask for reduced motion
		b.Errorf("%s: %d things move", state, moving)
	}
	for _, pale := range js[[]string](b, "%s", contrastScript) {
		b.Errorf("%s: too little contrast: %s", state, pale)
	}
	for _, field := range js[[]string](b, `[...document.querySelectorAll("input, select")].filter((e) => !e.labels.length ||
		(e.getAttribute("aria-describedby") ?? "").split(" ").some((id) => id && !document.getElementById(id))).map((e) => e.id)`) {
		b.Errorf("%s: the field %s has no label, or a description that is not there", state, field)
	}
	if repeated := js[[]string](b, `[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)`); len(repeated) > 0 {
		b.Errorf("%s: ids given twice: %v", state, repeated)
	}
	var roles []string
	for _, n := range protocol(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		roles = append(roles, role)
		needsName := slices.Contains([]string{"button", "link", "textbox", "combobox", "DisclosureTriangle", "heading", "log", "region"}, role)
		if needsName && (n.Name == nil || strings.Trim(string(n.Name.Value), `"`) == "") {
			b.Errorf("%s: a %s without a name", state, role)
		}
	}
	for _, role := range []string{"main", "banner", "heading", "status", "log", "button"} {
		if !slices.Contains(roles, role) {
			b.Errorf("%s: nothing has the role %s, there are %v", state, role, roles)
		}
	}
}

// contrastScript returns the visible texts with less than the contrast of
// WCAG 2.2 AA (1.4.3), and the borders of fields with less than 1.4.11.
const contrastScript = `(() => {
	const rgba = (text) => { const n = text.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
	const luminance = (c) => c.slice(0, 3).map((v) => v / 255)
		.map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
	const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
	const back = (e) => {
		const layers = [];
		for (; e; e = e.parentElement) layers.unshift(rgba(getComputedStyle(e).backgroundColor));
		return layers.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
	};
	const pale = [];
	const check = (e, what, color, least) => {
		const r = ratio(over(rgba(color), back(e)), back(e));
		if (r < least) pale.push(what.trim().slice(0, 40) + " " + r.toFixed(2) + ":1, " + color);
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let seen = 0;
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement, s = getComputedStyle(e);
		const box = e.getBoundingClientRect();
		if (!texts.data && !texts.currentNode.data.trim() || !e.checkVisibility() || box.width < 2) continue;
		const size = parseFloat(s.fontSize);
		check(e, texts.currentNode.data, s.color, size >= 24 || size >= 18.66 && s.fontWeight >= 700 ? 3 : 4.5);
		seen++;
	}
	for (const e of document.querySelectorAll("input, select")) {
		if (!e.checkVisibility()) continue;
		check(e, "value of " + e.id, getComputedStyle(e).color, 4.5);
		if (e !== document.activeElement) check(e.parentElement, "border of " + e.id, getComputedStyle(e).borderTopColor, 3);
	}
	if (seen < 30) pale.push("only " + seen + " texts were checked");
	return pale;
})()`
