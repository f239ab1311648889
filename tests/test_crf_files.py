"""Models in files: CRFsuite's own format, of which some files were written by python-crfsuite, and the library's."""

from __future__ import annotations

import io
import json
import math
import random
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastcore import NotFittedError
from fastcore.crf import CRF
from fastcore.crf._cqdb import ORDER, RECORDS, TABLES, hashes, pack, unpack

from .crfsuite.write import MODELS

FOLDER = Path(__file__).parent / "crfsuite"
ANSWERS = json.loads((FOLDER / "answers.json").read_text(encoding="utf-8"))
WEATHER = (FOLDER / "weather.crfsuite").read_bytes()


def trained(**options: Any) -> CRF:
    x, y = MODELS["weather"][0]
    return CRF(**options).fit([x], [y])


def header(content: bytes) -> dict[str, int]:
    names = (
        "version",
        "num_features",
        "num_labels",
        "num_attrs",
        "features",
        "labels",
        "attrs",
        "labelrefs",
        "attrrefs",
    )
    return dict(zip(names, np.frombuffer(content, "<u4", 9, 12).tolist()))


def with_number(content: bytes, place: int, number: int) -> bytes:
    return content[:place] + np.array([number], "<u4").tobytes() + content[place + 4 :]


class TestCrfsuite:
    @pytest.mark.parametrize("name", ANSWERS)
    def test_what_it_wrote(self, backend, name):
        crf, answers = CRF.load_crfsuite(FOLDER / f"{name}.crfsuite"), ANSWERS[name]
        x, _ = MODELS[name][0]
        assert crf.classes_ == answers["labels"]
        assert crf.predict_single(x) == answers["tags"]
        found = [[row[label] for label in answers["labels"]] for row in crf.predict_marginals_single(x)]
        np.testing.assert_allclose(found, answers["marginals"], rtol=0, atol=1e-12)

    def test_weights(self):
        crf, answers = CRF.load_crfsuite(FOLDER / "weather.crfsuite"), ANSWERS["weather"]
        for found, expected in [
            (crf.state_features_, answers["state_features"]),
            (crf.transition_features_, answers["transitions"]),
        ]:
            assert list(found) == [(a, b) for a, b, _ in expected]
            np.testing.assert_allclose(list(found.values()), [weight for _, _, weight in expected], atol=5e-7)
        assert crf.attributes_ == ["walk", "shop", "clean", "солнце:не светит", "world"]
        assert math.isnan(crf.loss_) and crf.n_iter_ == 0 and "CRFsuite" in crf.message_

    @pytest.mark.parametrize("name", MODELS)
    def test_written_again_it_is_the_same_to_the_byte(self, tmp_path, name):
        CRF.load_crfsuite(FOLDER / f"{name}.crfsuite").save_crfsuite(tmp_path / "model")
        assert (tmp_path / "model").read_bytes() == (FOLDER / f"{name}.crfsuite").read_bytes()

    def test_there_and_back(self, backend, tmp_path):
        crf = trained(c1=0.3, all_possible_transitions=True)
        crf.save_crfsuite(str(tmp_path / "model"))
        again = CRF.load_crfsuite(str(tmp_path / "model"))
        assert again.state_features_ == crf.state_features_
        assert again.transition_features_ == crf.transition_features_
        assert again.classes_ == crf.classes_
        # What has no weight is left out, as CRFsuite does.
        assert len(again.attributes_) < len(crf.attributes_)
        assert set(again.attributes_) == {attribute for attribute, _ in crf.state_features_}
        x = [MODELS["weather"][0][0]]
        assert again.predict(x) == crf.predict(x)
        assert again.predict_marginals(x) == crf.predict_marginals(x)
        assert again.set_params(max_iterations=2).fit(x, [MODELS["weather"][0][1]]).n_iter_ == 2

    def test_training_goes_on_from_it(self, tmp_path):
        crf, (x, y) = trained(), MODELS["weather"][0]
        crf.save_crfsuite(tmp_path / "model")
        again = CRF.load_crfsuite(tmp_path / "model").set_params(warm_start=True).fit([x], [y])
        assert again.n_iter_ == 0 or again.n_iter_ < crf.n_iter_
        assert again.loss_ == pytest.approx(crf.loss_)

    def test_the_old_file_stays_if_a_name_cannot_be_written(self, tmp_path):
        path = tmp_path / "model"
        path.write_bytes(WEATHER)
        for name, words in [("a\0b", r"'a\\x00b' has a NUL"), ("\ud800", "lone surrogate")]:
            crf = CRF().fit([[[name], ["b"]]], [["A", "B"]])
            with pytest.raises(ValueError, match=words):
                crf.save_crfsuite(path)
            assert path.read_bytes() == WEATHER
        with pytest.raises(NotFittedError):
            CRF().save_crfsuite(path)


class TestTableOfStrings:
    def test_known_hashes(self):
        # From the test of the hash's own source: these words without a NUL behind them, beginning with 0.
        text = b"Four score and seven years ago"
        data = np.frombuffer(text, np.uint8)
        assert hashes(data, np.array([0]), np.array([len(text)])).tolist() == [0x17770551]

    @pytest.mark.parametrize("piece", [7, 1 << 20])
    def test_each_name_is_found(self, monkeypatch, piece):
        monkeypatch.setattr("fastcore.crf._cqdb.PIECE", piece)
        names = [*("x" * i for i in range(50)), *(f"字{i}" for i in range(250))]
        chunk = pack(names)
        assert unpack(np.concatenate([np.zeros(3, np.uint8), chunk]), 3) == names
        ends = np.cumsum([len(name.encode()) + 1 for name in names])
        text = np.frombuffer("".join(f"{name}\0" for name in names).encode(), np.uint8)
        values = hashes(text, ends - np.diff(ends, prepend=0), np.diff(ends, prepend=0)).tolist()
        tables = chunk[24:RECORDS].view("<u4").reshape(TABLES, 2).tolist()
        for i, (name, value) in enumerate(zip(names, values)):
            # Step by step, as one name is looked up.
            at, size = tables[value % TABLES]
            buckets = chunk[at : at + 8 * size].view("<u4").reshape(-1, 2).tolist()
            slot = (value >> 8) % size
            while buckets[slot][0] != value or buckets[slot][1] == 0:
                assert buckets[slot][1], name
                slot = (slot + 1) % size
            place = buckets[slot][1]
            assert chunk[place : place + 4].view("<u4")[0] == i
        # Those of one table stand where they would if they were put in one after the other.
        for t, (at, size) in enumerate(tables):
            filled = [0] * size
            for value in values:
                if value % TABLES == t:
                    slot = (value >> 8) % size
                    while filled[slot]:
                        slot = (slot + 1) % size
                    filled[slot] = value
            assert chunk[at : at + 8 * size].view("<u4").reshape(-1, 2)[:, 0].tolist() == filled if size else not at

    def test_none(self):
        assert unpack(pack([]), 0) == []
        assert len(pack([])) == RECORDS

    def test_too_much(self, monkeypatch):
        monkeypatch.setattr("fastcore.crf._cqdb.LIMIT", 3000)
        with pytest.raises(ValueError, match="must be below 4 GiB"):
            pack(["x" * 1000])


class TestDamage:
    def refused(self, tmp_path, content, words):
        path = tmp_path / "model.crfsuite"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"model.crfsuite is no (whole )?CRFsuite model.*{words}"):
            CRF.load_crfsuite(path)

    @pytest.mark.parametrize("length", [0, 3, 4, 47, 48, 49, 1000, 2400, 4000, 4800, len(WEATHER) - 1])
    def test_cut_short(self, tmp_path, length):
        self.refused(tmp_path, WEATHER[:length], "")

    def test_what_lies_behind_the_end_does_not_matter(self, tmp_path):
        (tmp_path / "model").write_bytes(WEATHER + b"more")
        assert CRF.load_crfsuite(tmp_path / "model").classes_ == ["sunny", "rainy", "好"]

    @pytest.mark.parametrize("field", ["features", "labels", "attrs", "labelrefs", "attrrefs"])
    @pytest.mark.parametrize("number", [0, 1, 47, 50, len(WEATHER) - 1, len(WEATHER), 2**31, 2**32 - 1])
    def test_places_outside(self, tmp_path, field, number):
        place = 12 + 4 * list(header(WEATHER)).index(field)
        self.refused(tmp_path, with_number(WEATHER, place, number), "")

    @pytest.mark.parametrize(
        ("where", "more", "numbers", "words"),
        [
            ("version", 0, [99], "another type or version"),
            ("num_labels", 0, [0, 2, 4, 2**32 - 1], "don't fit its strings"),
            ("num_attrs", 0, [0, 4, 6, 2**32 - 1], "don't fit its strings"),
            (None, 0, [0x46524365], ""),
            (None, 4, [0, 47, len(WEATHER) + 1, 2**32 - 1], "should have .* bytes"),
            (None, 8, [0x434D4F47], "another type"),
            ("features", 0, [0x54414546 - 1], "FEAT is missing"),
            ("features", 8, [2**32 - 1, 300], "features lie outside"),
            ("features", 8, [12], "have features that there aren't"),
            ("features", 12, [1, 2], "features of AFRF can't be"),
            ("features", 16, [1, 5, 2**32 - 1], "features of AFRF can't be"),
            ("features", 20, [3, 2**32 - 1], "features of AFRF can't be"),
            ("features", 20, [1], "features of AFRF occur twice"),
            ("features", 28, [0x7FF00000, 0x7FF80000], "features of AFRF can't be"),
            ("labelrefs", 0, [0], "LFRF is missing"),
            ("labelrefs", 8, [0, 3, 2**32 - 1], "LFRF isn't of 5 lists"),
            ("labelrefs", 12, [2, len(WEATHER), 2**32 - 4], "lists of LFRF lie outside"),
            ("labelrefs", 12, [48], "lists of LFRF (lie outside|have features)"),
            ("labelrefs", 32, [2**31, 2**32 - 1], "lists of LFRF lie outside"),
            ("labelrefs", 36, [13, 2**32 - 1], "have features that there aren't"),
            ("attrrefs", 8, [4, 7], "AFRF isn't of 5 lists"),
            ("attrs", 12, [ORDER + 1], "damaged"),
            ("attrs", 4, [100, 2**32 - 1], "damaged"),
            ("attrs", 16, [2**32 - 1, 1000], "no places of its strings"),
            ("attrs", 20, [0, 2071, 2**32 - 1], "no places of its strings"),
            ("attrs", RECORDS, [1, 2**32 - 1], "ids or sizes"),
            ("attrs", RECORDS + 4, [0, 2**32 - 1], "ids or sizes"),
            ("attrs", RECORDS + 4, [1, 30], "end where they should|outside"),
        ],
    )
    def test_numbers(self, tmp_path, where, more, numbers, words):
        known = header(WEATHER)
        place = more if where is None else known[where] + more
        if where in ("version", "num_labels", "num_attrs"):
            place = 12 + 4 * list(known).index(where)
        for number in numbers:
            self.refused(tmp_path, with_number(WEATHER, place, number), words)

    def test_hash_tables(self, tmp_path):
        at = header(WEATHER)["attrs"]
        tables = np.frombuffer(WEATHER, "<u4", 2 * TABLES, at + 24).reshape(TABLES, 2)
        t = int(np.flatnonzero(tables[:, 1])[0])
        reference = at + 24 + 8 * t
        # A table so large, or so placed; one that is missing; one without a gap, which would be searched for ever.
        for place, number, words in [
            (reference + 4, 2**32 - 1, "lies outside"),
            (reference, len(WEATHER), "lies outside"),
            (reference, 0, "don't fit"),
        ]:
            self.refused(tmp_path, with_number(WEATHER, place, number), words)
        start = at + int(tables[t, 0])
        buckets = np.frombuffer(WEATHER, "<u4", 2 * int(tables[t, 1]), start).reshape(-1, 2)
        gap, taken = int(np.argmin(buckets[:, 1])), int(buckets[:, 1].max())
        alone = with_number(WEATHER, reference, int(tables[t, 0]) + 8 * (len(buckets) - 1 - gap))
        assert len(buckets) == 2
        self.refused(tmp_path, with_number(alone, reference + 4, 1), "don't fit")
        self.refused(tmp_path, with_number(WEATHER, start + 8 * gap + 4, taken), "don't fit")

    @pytest.mark.parametrize("short", [1, 4, 7])
    def test_a_string_at_the_very_end(self, tmp_path, short):
        at = header(WEATHER)["attrs"]
        size, back = (int(np.frombuffer(WEATHER, "<u4", 1, at + place)[0]) for place in (4, 20))
        self.refused(tmp_path, with_number(WEATHER, at + back, size - short), "strings lie outside their table")

    def test_lists_that_lie_over_one_another(self, tmp_path):
        """Each fits into the file, all together not."""
        content, at = with_number(WEATHER, 72, 300), header(WEATHER)["attrrefs"]
        for attribute in range(5):
            content = with_number(content, at + 12 + 4 * attribute, 72)
        self.refused(tmp_path, content, "lists of AFRF lie outside")

    def test_names(self, tmp_path):
        self.refused(tmp_path, WEATHER.replace(b"sunny", b"s\xffnny"), "names must be UTF-8")
        self.refused(tmp_path, WEATHER.replace(b"sunny", b"su\0ny"), "don't end where they should")
        self.refused(tmp_path, WEATHER.replace(b"sunny", b"rainy"), "names occur twice")
        self.refused(tmp_path, WEATHER.replace(b"shop", b"walk"), "names occur twice")

    def test_too_many_labels(self, tmp_path, monkeypatch):
        """A matrix of all pairs that is much larger than the file is never made."""
        monkeypatch.setattr("fastcore.crf._crfsuite.PAIRS", 100)
        crf = CRF(max_iterations=1).fit([[["a"]] * 400], [[f"label {i}" for i in range(400)]])
        crf.save_crfsuite(tmp_path / "model")
        with pytest.raises(ValueError, match="400 labels are too many for its size"):
            CRF.load_crfsuite(tmp_path / "model")

    def test_any_damage_at_all(self, tmp_path):
        """No byte makes reading crash, take much memory, or give a model that labels can't be had of."""
        generator, path = random.Random(7), tmp_path / "model"
        x, kept = MODELS["weather"][0][0], 0
        tracemalloc.start()
        for _ in range(400):
            content = bytearray(WEATHER)
            for _ in range(generator.choice([1, 1, 2, 5])):
                # Most of the file are references to empty tables.
                place = generator.choice([generator.randrange(len(content)), generator.randrange(350)])
                content[place] = generator.choice([0, 1, 127, 128, 255, content[place] ^ 1 << generator.randrange(8)])
            path.write_bytes(content[: generator.choice([len(content), generator.randrange(len(content))])])
            try:
                crf = CRF.load_crfsuite(path)
            except ValueError as error:
                assert str(path) in str(error)
            else:
                kept += 1
                assert len(crf.predict_single(x)) == len(x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20
        assert 20 < kept < 380


class TestOwnFormat:
    @pytest.mark.parametrize("name", ["weather", "odd names"])
    def test_there_and_back(self, backend, tmp_path, name):
        if name == "weather":
            x, y = MODELS["weather"][0]
        else:
            x, y = [["a\0b", "\ud800", ""], ["\ud83d\ude00"]], ["A", "\0"]
        crf = CRF(c1=0.1, c2=np.float64(0.5), max_iterations=9, dtype="float32").fit([x], [y])
        crf.save(tmp_path / "crf")
        again = CRF.load(tmp_path / "crf")
        assert again.get_params() == crf.get_params()
        for attribute in ("classes_", "attributes_", "state_features_", "transition_features_", "loss_", "n_iter_"):
            assert getattr(again, attribute) == getattr(crf, attribute)
        assert again.message_ == crf.message_
        assert again.predict([x]) == crf.predict([x])
        again.save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "crf").read_bytes()

    def test_workers_that_are_no_number(self, tmp_path):
        crf = trained(workers=map)
        crf.save(tmp_path / "crf")
        assert CRF.load(tmp_path / "crf").workers == 1

    def test_from_a_crfsuite_model(self, tmp_path):
        CRF.load_crfsuite(FOLDER / "names.crfsuite").save(tmp_path / "crf")
        again = CRF.load(tmp_path / "crf")
        assert math.isnan(again.loss_)
        assert again.predict_single(MODELS["names"][0][0]) == ANSWERS["names"]["tags"]

    def test_a_subclass(self, tmp_path):
        class Tagger(CRF):
            pass

        trained().save(tmp_path / "crf")
        assert type(Tagger.load(tmp_path / "crf")) is Tagger

    def test_what_is_none(self, tmp_path):
        with pytest.raises(NotFittedError):
            CRF().save(tmp_path / "crf")
        assert not (tmp_path / "crf").exists()
        with pytest.raises(FileNotFoundError):
            CRF.load(tmp_path / "crf")
        (tmp_path / "crf").write_bytes(WEATHER)
        with pytest.raises(ValueError, match="is no whole CRF"):
            CRF.load(tmp_path / "crf")

    @pytest.mark.parametrize(
        ("name", "change", "words"),
        [
            ("offsets", lambda it: it[:-1], "offsets don't fit"),
            ("offsets", lambda it: it + 1, "offsets don't fit"),
            ("offsets", lambda it: it[[0, 2, 1, *range(3, len(it))]], "offsets don't fit|aren't in order"),
            ("state_labels", lambda it: it + 2, "labels that there aren't"),
            ("state_labels", lambda it: it - 1, "labels that there aren't"),
            ("state_labels", lambda it: it[::-1].copy(), "aren't in order"),
            ("state_labels", lambda it: it.astype("<i8"), "must be of dtype <i4"),
            ("transitions", lambda it: it + 1, "labels that there aren't"),
            ("transitions", lambda it: it - 1, "labels that there aren't"),
            ("transitions", lambda it: it[:, :1].copy(), "labels that there aren't"),
            ("transitions", lambda it: it[::-1].copy(), "aren't in order"),
            ("transitions", lambda it: it[:, 0].copy(), "don't have the shapes"),
            ("weights", lambda it: it[1:], "weights don't fit"),
            ("weights", lambda it: it * np.nan, "weights don't fit"),
            ("attribute_ends", lambda it: it + 1, "ends of names don't fit"),
            ("attribute_ends", lambda it: it[::-1].copy(), "ends of names don't fit"),
            ("classes", lambda it: np.full_like(it, 255), "utf-8"),
            ("classes", None, "class_ends|KeyError"),
            ("other", lambda it: np.zeros(3), "holds 'other.npy'"),
        ],
    )
    def test_forged(self, tmp_path, name, change, words):
        trained().save(tmp_path / "crf")
        with np.load(tmp_path / "crf") as old:
            arrays = dict(old)
        if change is None:
            del arrays[name]
        else:
            arrays[name] = change(arrays.get(name))
        np.savez(tmp_path / "forged.npz", **arrays)
        with pytest.raises(ValueError, match=f"forged.npz.*({words})"):
            CRF.load(tmp_path / "forged.npz")

    @pytest.mark.parametrize("shape", [(10**12,), (1,), (-1,)])
    def test_an_array_of_another_size_than_it_says(self, tmp_path, shape):
        trained().save(tmp_path / "crf")
        with zipfile.ZipFile(tmp_path / "crf") as old, zipfile.ZipFile(tmp_path / "forged", "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == "weights.npy":
                    head = io.BytesIO()
                    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": shape})
                    data = head.getvalue() + data[128:]
                new.writestr(name, data)
        with pytest.raises(ValueError, match=r"forged is no (whole )?CRF: weights\.npy"):
            CRF.load(tmp_path / "forged")

    def test_any_damage_at_all(self, tmp_path):
        trained().save(tmp_path / "crf")
        whole, path, generator = (tmp_path / "crf").read_bytes(), tmp_path / "damaged", random.Random(3)
        expected = CRF.load(tmp_path / "crf")
        for _ in range(100):
            content = bytearray(whole)
            place = generator.randrange(len(content))
            content[place] ^= 1 << generator.randrange(8)
            path.write_bytes(content[: generator.choice([len(content), place])])
            try:
                crf = CRF.load(path)
            except ValueError as error:
                assert str(path) in str(error)
            else:
                # Dates and the like.
                assert crf.state_features_ == expected.state_features_
