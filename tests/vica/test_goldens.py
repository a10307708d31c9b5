"""Merged embeddings, logits, answers and loss equal the original code's."""

import numpy as np
import pytest
import torch

from tests.vica.published import FEATURES, LOGITS, Golden

CASES = ["video5", "image_anyres", "image_anyres_big", "image_plain"]


def check(golden: Golden, case: str) -> torch.Tensor:
    """Compare the merged embeddings and the last logits; returns the embeddings."""
    block_ND = golden.model.encode(golden.visual(case))
    embeds_BLD = golden.model.merge(golden.ids(case), [block_ND]).embeds_BLD
    assert list(embeds_BLD.shape) == golden.fields[f"{case}__embeds_shape"].tolist()
    index = golden.fields.get(f"{case}__embeds_index", slice(None))
    assert golden.far(case, "embeds", embeds_BLD[:, index]) < FEATURES
    assert golden.far(case, "embeds_token_mean", embeds_BLD.mean(-1)) < FEATURES
    logits = golden.model(inputs_embeds=embeds_BLD, logits_to_keep=4).logits
    assert golden.far(case, "logits_last", logits) < LOGITS
    return embeds_BLD


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_embeddings_logits_and_answers_equal_the_original(golden: Golden, case: str) -> None:
    embeds_BLD = check(golden, case)
    if (answer := golden.fields.get(f"{case}__generate")) is not None:
        new = golden.model.generate(inputs_embeds=embeds_BLD, max_new_tokens=answer.shape[1])
        assert new.tolist() == answer.tolist()


@torch.no_grad()
def test_sixty_four_frames_equal_the_original(golden: Golden) -> None:
    embeds_BLD = check(golden, "video64")
    if golden.family == "vica":  # 13,509 positions; ViCA2's 22,213 would take half a minute
        new = golden.model.generate(inputs_embeds=embeds_BLD, max_new_tokens=8)
        assert new.tolist() == golden.fields["video64__generate"].tolist()


@torch.no_grad()
def test_a_padded_training_batch_has_the_loss_of_the_original(golden: Golden) -> None:
    case = "batch_train"
    visuals = [golden.processor.video(golden.frames(3)), golden.visual("image_anyres")]
    merged = golden.model.merge(
        golden.ids(case),
        [golden.model.encode(visual) for visual in visuals],
        attention_mask=torch.from_numpy(golden.fields[f"{case}__attention_mask_in"]),
        labels=torch.from_numpy(golden.fields[f"{case}__labels_in"]),
    )
    index = golden.fields[f"{case}__embeds_index"]
    assert golden.far(case, "embeds", merged.embeds_BLD[:, index]) < FEATURES
    assert merged.labels_BL is not None
    assert merged.attention_mask_BL is not None
    assert np.array_equal(merged.labels_BL, golden.fields[f"{case}__labels_out"])
    lengths = merged.attention_mask_BL.sum(1)
    assert lengths.tolist() == golden.fields[f"{case}__attention_mask_out_sum"].tolist()

    out = golden.model(
        inputs_embeds=merged.embeds_BLD,
        attention_mask=merged.attention_mask_BL,
        position_ids=merged.position_ids_BL,
        labels=merged.labels_BL,
    )
    assert abs(float(out.loss) - float(golden.fields[f"{case}__loss"])) < 1e-5
    for row, length in enumerate(lengths.tolist()):
        last = out.logits[row, length - 4 : length]
        assert golden.far(case, f"logits_lastvalid_{row}", last) < LOGITS
