"""What a driver is warned with, and which texts may be sent. Pure."""

from typing import Literal

Outcome = Literal[
    "sending", "sent", "delivered", "refused", "not_connected", "no_answer", "unsupported", "overloaded",
    "unsent", "unanswered",
]  # fmt: skip
# the text has not reached the terminal for sure: another one may be sent
AGAIN = frozenset(("not_connected", "unsupported", "overloaded", "unsent"))
WAITING = frozenset(("sending", "sent"))
TEXT_LENGTH_MAX = 100
ANSWER_NS = 15 * 10**9  # the gateway answers each command within 10 s
TEXTS = {
    "lane_departure": "您已偏离危化品专用车道，请立即驶回。",
    "off_dedicated_road": "您已驶离危化品专用道路，请立即返回指定路线。",
    "speeding": "您已超速，请立即减速。",
    "illegal_stop": "此处禁止停车，请立即驶离；如有故障请报警。",
    "wrong_way": "您正在逆行，请立即靠边停车。",
    "following_distance": "车距过近，请保持安全车距。",
}  # fmt: skip
OTHER = "您的车辆触发监管告警，请遵守危化品运输规定。"


class TextError(ValueError):
    """The text can't be sent; says why."""


def template(rule: str) -> str:
    """Return the text for a rule."""
    return TEXTS.get(rule, OTHER)


def checked(text: str) -> str:
    """Return the text as it is sent; raises TextError."""
    text = text.strip()
    if not text:
        raise TextError("the text is empty")
    if len(text) > TEXT_LENGTH_MAX:
        raise TextError(f"the text has {len(text)} characters, at most {TEXT_LENGTH_MAX} can be sent")
    if not text.isprintable():
        raise TextError("the text has a control character or a line end")
    for char in text:
        try:
            char.encode("gbk")
        except UnicodeEncodeError as error:
            raise TextError(f"a terminal can't show {char!r}: GBK lacks it") from error
    return text
