"""Thinking replies in both spellings, whole and in part."""

import pytest
from vica.chat import ThinkingReply, split_reply

MARKED = (
    "<|im_start|>think\nTwo by the wall.\n\n<|im_start|>response\nThere are two.\n\n"
    "<|im_start|>final\n\\[\n\\boxed{2}\n\\]<|im_end|>"
)
PARTS = ThinkingReply(
    thoughts="Two by the wall.", response="There are two.", final="\\[\n\\boxed{2}\n\\]"
)


def test_both_spellings_are_read() -> None:
    bare = MARKED.replace("<|im_start|>", "").replace("<|im_end|>", "")
    assert split_reply(MARKED) == PARTS
    assert split_reply(bare) == PARTS


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        ("think\nI wonder", ThinkingReply(thoughts="I wonder")),
        ("final\n4", ThinkingReply(final="4")),
        ("response\nA room.\nfinal\nA. bed", ThinkingReply(response="A room.", final="A. bed")),
        ("think\n\nfinal\nfinal\n3", ThinkingReply(thoughts="", final="final\n3")),
        ("final", ThinkingReply(final="")),
    ],
)
def test_parts_may_be_missing_or_cut(reply: str, parts: ThinkingReply) -> None:
    assert split_reply(reply) == parts


@pytest.mark.parametrize("reply", ["4", "", "A. think\nfinal", "thinking\nfinal\n4", "I think\n2"])
def test_a_plain_reply_has_no_parts(reply: str) -> None:
    assert split_reply(reply) is None
