"""A page of lines and words, written as SVG, PDF or PNG. Pure but for PNG's fonts.

Written by hand, since a page of charts needs a dozen operators of PDF and a library for it weighs as much as
the centre. PNG is drawn by Pillow, which is loaded for it only.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
WIDTH, HEIGHT = 842.0, 595.0  # A4, in points
SCALE = 2.0  # pixels of the PNG per point
FONTS = (  # for Chinese signs in the PNG; without one of them they become question marks
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
)


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points.  grey : 0 black to 1 white.  dash : length of a dash; 0: none"""

    points: tuple[Point, ...]
    width: float = 1.0
    grey: float = 0.0
    dash: float = 0.0


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text whose base line begins, is centred or ends at a point."""

    at: Point
    text: str
    size: float = 9.0
    anchor: Anchor = "start"
    grey: float = 0.0


@dataclass(slots=True)
class Drawing:
    """One page; y grows downwards."""

    strokes: list[Stroke] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    def line(self, points: Sequence[Point], width: float = 1.0, grey: float = 0.0, dash: float = 0.0) -> None:
        """Add a line through at least two points."""
        if len(points) > 1:
            self.strokes.append(Stroke(tuple(points), width, grey, dash))

    def write(
        self, at: Point, text: str, size: float = 9.0, anchor: Anchor = "start", grey: float = 0.0
    ) -> None:
        """Add a line of text."""
        self.words.append(Words(at, text, size, anchor, grey))


def svg(drawing: Drawing) -> bytes:
    """Return the page as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}" height="{HEIGHT:.0f}" '
        f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" font-family="sans-serif">',
        f'<rect width="{WIDTH:.0f}" height="{HEIGHT:.0f}" fill="#fff"/>',
    ]
    for stroke in drawing.strokes:
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in stroke.points)
        dash = f' stroke-dasharray="{stroke.dash:.1f}"' if stroke.dash else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{_hex(stroke.grey)}" '
            f'stroke-width="{stroke.width:.2f}"{dash}/>'
        )
    for words in drawing.words:
        (x, y), colour = words.at, _hex(words.grey)
        parts.append(
            f'<text x="{x:.2f}" y="{y:.2f}" font-size="{words.size:.1f}" text-anchor="{words.anchor}" '
            f'fill="{colour}">{escape(words.text)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"]).encode()


def _hex(grey: float) -> str:
    return f"#{round(grey * 255):02x}" + f"{round(grey * 255):02x}" * 2


def pdf(drawing: Drawing) -> bytes:
    """Return the page as PDF 1.4. Chinese signs are in STSong-Light, which readers of PDF bring along."""
    content = "\n".join([*map(_pdf_stroke, drawing.strokes), *map(_pdf_words, drawing.words)]).encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH:.0f} {HEIGHT:.0f}] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n" % len(content) + content + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H "
        b"/DescendantFonts [7 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo "
        b"<< /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> /DW 1000 /FontDescriptor 8 0 R >>",
        b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] "
        b"/ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _pdf_stroke(stroke: Stroke) -> str:
    (x, y), *more = ((x, HEIGHT - y) for x, y in stroke.points)
    dash = f"[{stroke.dash:.1f}] 0 d" if stroke.dash else "[] 0 d"
    path = " ".join([f"{x:.2f} {y:.2f} m", *(f"{x:.2f} {y:.2f} l" for x, y in more)])
    return f"{stroke.grey:.2f} G {stroke.width:.2f} w {dash} {path} S"


def _pdf_words(words: Words) -> str:
    is_plain = words.text.isascii()
    if is_plain:
        shown = "(" + "".join(f"\\{char}" if char in "\\()" else char for char in words.text) + ")"
    else:
        shown = "<" + words.text.encode("utf-16-be").hex() + ">"
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor]
    x = words.at[0] - share * words.size * sum(0.5 if is_plain else 1.0 for _ in words.text)
    font = "F1" if is_plain else "F2"
    y = HEIGHT - words.at[1]
    return f"BT {words.grey:.2f} g /{font} {words.size:.1f} Tf {x:.2f} {y:.2f} Td {shown} Tj ET"


def png(drawing: Drawing) -> bytes:
    """Return the page as PNG."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (round(WIDTH * SCALE), round(HEIGHT * SCALE)), 255)
    pen = ImageDraw.Draw(image)
    for stroke in drawing.strokes:
        grey, width = round(stroke.grey * 255), max(1, round(stroke.width * SCALE))
        for piece in _dashes(stroke) if stroke.dash else [stroke.points]:
            pen.line([(x * SCALE, y * SCALE) for x, y in piece], fill=grey, width=width)
    for words in drawing.words:
        font, text = _font(words)
        at = (words.at[0] * SCALE, words.at[1] * SCALE)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[words.anchor]
        pen.text(at, text, fill=round(words.grey * 255), font=font, anchor=anchor)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _font(words: Words) -> tuple[Any, str]:
    from PIL import ImageFont

    size = words.size * SCALE
    if not words.text.isascii():
        for path in FONTS:
            if Path(path).exists():
                return ImageFont.truetype(path, size), words.text
    return ImageFont.load_default(size), words.text.encode("ascii", "replace").decode()


def _dashes(stroke: Stroke) -> list[tuple[Point, Point]]:
    found = []
    for (x1, y1), (x2, y2) in zip(stroke.points, stroke.points[1:], strict=False):
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        n = max(1, int(length / (2.0 * stroke.dash)))
        for i in range(n):
            a, b = i / n, (i + 0.5) / n
            found.append(((x1 + a * (x2 - x1), y1 + a * (y2 - y1)), (x1 + b * (x2 - x1), y1 + b * (y2 - y1))))
    return found
