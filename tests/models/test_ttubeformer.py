from bptubeformer.evaluation.complexity import complexity


def test_sixteen_tubelets_and_a_class_token_of_width_256():
    counted = complexity({"model": "ttubeformer", "segment_length": 24}, 13, 1)
    (row,) = counted.transformers.to_dict("records")
    assert row == {
        "transformer": "transformer", "tokens": 17, "class_token": True, "width": 256, "heads": 8,
        "depth": 4,
    }  # fmt: skip
    tokeniser = counted.stages.set_index("stage").loc["tokeniser"]
    # 16 tubelets of 5 x 2 x 2 cells of x and y
    assert (tokeniser["modules"], tokeniser["macs_thop"]) == ("1 TubeletConvolution", 16 * 256 * 40)
