"""pipeline.models.files: what a weights file is, found out before a native library reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

from pipeline.errors import ModelError
from pipeline.models.files import Form, inspect
from pipeline.models.onnx_file import read_onnx
from tests.unit.models.tiny_onnx import brightness_times

IR = """<?xml version="1.0"?>
<net name="tiny" version="11"><layers>
<layer id="1" type="Const"><data element_type="f32" shape="2" offset="0" size="8" /></layer>
<layer id="2" type="Const"><data element_type="f32" shape="1" offset="8" size="4"/></layer>
</layers></net>
"""


def test_onnx_with_its_metadata(tmp_path: Path) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", np.ones((6, 84)), metadata={"names": "{0: 'a', 1: 'b'}"})
    file = inspect(path)
    assert file.form is Form.ONNX
    assert file.stem == "tiny"
    assert file.metadata == {"names": "{0: 'a', 1: 'b'}"}
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def split_onnx(folder: Path) -> Path:
    """An ONNX file whose tensors lie in big.data beside it."""
    path = brightness_times(folder / "tiny.onnx", np.arange(504, dtype=np.float32).reshape(6, 84))
    onnx.save_model(
        onnx.load(path), path, save_as_external_data=True, location="big.data", size_threshold=0, convert_attribute=True
    )
    return path


def test_onnx_with_its_tensors_in_another_file(tmp_path: Path) -> None:
    path, beside = split_onnx(tmp_path), tmp_path / "big.data"
    before = inspect(path).sha256
    assert before == hashlib.sha256(path.read_bytes() + beside.read_bytes()).hexdigest()
    data = bytearray(beside.read_bytes())
    data[100] ^= 1
    beside.write_bytes(data)
    assert inspect(path).sha256 != before
    beside.write_bytes(data[:-1000])
    with pytest.raises(ModelError, match=r"big\.data has \d+ bytes, but tiny\.onnx needs \d+"):
        inspect(path)
    beside.unlink()
    with pytest.raises(ModelError, match=r"tiny\.onnx needs its weights big\.data beside it"):
        inspect(path)


@pytest.mark.parametrize("location", ["../a.dat", "/etc/abc", "a/../../b"])
def test_onnx_with_tensors_outside_its_folder_is_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = split_onnx(folder)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its folder"):
        inspect(path)


def test_external_tensors_of_nodes_and_of_graphs_within_count_too(tmp_path: Path) -> None:
    tensor = onnx.TensorProto(name="t", data_type=onnx.TensorProto.FLOAT, dims=[1], data_location=1)
    graph = onnx.GraphProto(name="inner")
    for holder, location in ((graph.initializer.add(), "deep.bin"), (tensor, "node.bin")):
        holder.CopyFrom(tensor)
        holder.external_data.add(key="location", value=location)
    node = onnx.NodeProto(op_type="If")
    node.attribute.add(name="value", t=tensor)
    node.attribute.add(name="then_branch", g=graph)
    path = tmp_path / "tiny.onnx"
    path.write_bytes(onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(node=[node])).SerializeToString())
    assert [piece.location for piece in read_onnx(path).external] == ["node.bin", "deep.bin"]


def test_ir_is_one_model_of_two_files(tmp_path: Path) -> None:
    xml, binary = tmp_path / "tiny.xml", tmp_path / "tiny.bin"
    xml.write_text(IR)
    binary.write_bytes(bytes(12))
    file = inspect(xml)
    assert file.form is Form.IR
    assert file.sha256 == hashlib.sha256(xml.read_bytes() + binary.read_bytes()).hexdigest()


def test_ir_without_its_weights_names_the_missing_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.xml").write_text(IR)
    with pytest.raises(ModelError, match=r"tiny\.bin beside it"):
        inspect(tmp_path / "tiny.xml")


def test_ir_with_weights_cut_short(tmp_path: Path) -> None:
    (tmp_path / "tiny.xml").write_text(IR)
    (tmp_path / "tiny.bin").write_bytes(bytes(11))
    with pytest.raises(ModelError, match=r"11 bytes, but tiny\.xml needs 12"):
        inspect(tmp_path / "tiny.xml")


@pytest.mark.parametrize("text", ["<html></html>", IR[:-12]])
def test_xml_that_is_no_whole_network(tmp_path: Path, text: str) -> None:
    (tmp_path / "tiny.xml").write_text(text)
    with pytest.raises(ModelError, match="not an OpenVINO network"):
        inspect(tmp_path / "tiny.xml")


@pytest.mark.parametrize("suffix", ["xml", "onnx", "pt", "pth", "safetensors", "yaml"])
def test_empty_and_missing_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    with pytest.raises(ModelError, match="no weights file"):
        inspect(path)
    path.touch()
    with pytest.raises(ModelError, match="0 bytes"):
        inspect(path)


@pytest.mark.parametrize("suffix", ["onnx", "pt", "safetensors"])
@pytest.mark.parametrize("content", [b"these are not the weights you look for\n", b"<!DOCTYPE html>", b"\xff" * 200])
def test_other_content_under_a_weights_suffix(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not"):
        inspect(path)


def test_every_cut_of_an_onnx_file_is_noticed(tmp_path: Path) -> None:
    whole = brightness_times(tmp_path / "whole.onnx", np.ones((5, 84))).read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(1, len(whole), 97):
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="not an ONNX file"):
            inspect(cut)


def test_binary_yaml_and_unknown_suffix(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="not a YAML text"):
        inspect(tmp_path / "net.yaml")
    (tmp_path / "net.caffemodel").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"known suffixes: \.xml, \.onnx"):
        inspect(tmp_path / "net.caffemodel")


def test_a_backend_says_which_forms_it_reads(tmp_path: Path) -> None:
    file = inspect(brightness_times(tmp_path / "tiny.onnx", np.ones((5, 84))))
    with pytest.raises(ModelError, match="is ONNX, but backend 'torch' reads PyTorch or safetensors"):
        file.require(Form.TORCH, Form.SAFETENSORS, backend="torch")
