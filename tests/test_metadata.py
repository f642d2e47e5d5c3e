import pytest

from bptubeformer.metadata import pack, unpack


def test_what_is_packed_is_unpacked():
    about = {"run": {"kernel": [2, 3, 3]}, "categories": ["a", "\u00e9"]}
    assert unpack(pack(about)) == about
    assert len(pack(about)) == 1


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_files_of_others_have_none(metadata):
    with pytest.raises(KeyError):
        unpack(metadata)
