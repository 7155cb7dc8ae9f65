import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

/** The tokens of each theme, from the style sheet that the canvases read too. */
function tokens(): Record<string, Record<string, string>> {
  const css = readFileSync(new URL("../src/style.css", import.meta.url), "utf8");
  const read = (block: string): Record<string, string> =>
    Object.fromEntries([...block.matchAll(/--(\w+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));
  const [, dark, light] = /:root \{([^}]*)\}\s*\[data-theme="light"\] \{([^}]*)\}/.exec(css)!;
  return { dark: read(dark!), light: read(light!) };
}

/** Relative luminance and contrast of WCAG 2.2. */
function luminance(colour: string): number {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [r, g, b] = parts.map((x) => (x <= 0.040_45 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light! + 0.05) / (dark! + 0.05);
}

test("contrast is computed as WCAG does", () => {
  assert.equal(contrast("#000000", "#ffffff").toFixed(1), "21.0");
  assert.equal(contrast("#777777", "#ffffff").toFixed(2), "4.48");
});

/** What is written on what: words on the page and, on canvases, on the outline (`halo`) that each word over a lane has. */
const WRITTEN: readonly [text: string, grounds: readonly string[]][] = [
  ["tx", ["bg", "raise", "road", "haz", "btn"]], ["tx2", ["bg", "raise", "haz"]], ["tx3", ["bg"]],
  ["v", ["bg"]], ["w", ["bg"]], ["n", ["bg"]], ["u", ["bg"]], ["on", ["v"]], ["onw", ["wf"]],
];

for (const [theme, of] of Object.entries(tokens())) {
  test(`every text of the ${theme} theme has the contrast of AA`, () => {
    for (const [ink, grounds] of WRITTEN) {
      for (const ground of grounds) {
        const found = contrast(of[ink]!, of[ground]!);
        assert.ok(found >= 4.5, `${ink} on ${ground}: ${found.toFixed(2)}`);
      }
    }
  });

  test(`every shape of the ${theme} theme stands out from the road`, () => {
    for (const shape of ["v", "w", "n", "truck"]) {
      for (const ground of ["bg", "road", "haz"]) {
        const found = contrast(of[shape]!, of[ground]!);
        assert.ok(found >= 3, `${shape} on ${ground}: ${found.toFixed(2)}`);
      }
    }
  });
}

test("no word in a grade's colour is written on a lane without an outline", () => {
  const labels = readFileSync(new URL("../src/detail/labels.ts", import.meta.url), "utf8");
  const coloured = labels.split("\n").filter((line) => line.includes("text(") && line.includes("gradeColour"));
  assert.ok(coloured.length > 0);
  for (const line of coloured) assert.match(line, /halo: c\.bg/);
});
