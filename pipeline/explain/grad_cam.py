"""Heat maps from gradients: which places of a picture speak for a number that a network gives."""

from __future__ import annotations

from enum import StrEnum

import cv2
import numpy as np
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.explain.question import Question
from trackers.structures import FloatArray


class Method(StrEnum):
    """How gradients become heat; the values are what `--method` takes."""

    PLACES = "places"  # each place has its own gradient: shows this object
    GRAD_CAM = "grad-cam"  # one weight a channel for the whole picture: shows all that is alike


def heat_map(question: Question, method: Method) -> FloatArray:
    """(height, width) float32 of the picture, 0 and above: what speaks for the score.

    With A the layer's channels k at places (i, j) and y the score, `GRAD_CAM` is (Selvaraju et al. 2017, eq. 1 and 2)

        w_k = mean over i, j of dy/dA_k(i, j)        L(i, j) = max(0, sum over k of w_k A_k(i, j))

    `PLACES` leaves the mean out, L(i, j) = max(0, sum over k of dy/dA_k(i, j) A_k(i, j)) (Draelos and Carin 2020,
    HiResCAM), which tells one object from others of its kind in the same picture: the mean is of a gradient that is
    zero almost everywhere when one cell of a detector is asked about, and its weights light up every place where the
    same channels do.

    Raises ModelError where the network gives no finite gradient.
    """
    with torch.enable_grad():
        found = _of_layer(question, method).relu()[0, 0]
    heat = found.detach().float().cpu().numpy()
    if not np.isfinite(heat).all():
        raise ModelError("the network's gradients are not numbers (NaN or infinite); check the weights file")
    return _on_picture(heat, question)


def _of_layer(question: Question, method: Method) -> Tensor:
    """(1, 1, rows, columns) of the layer's map."""
    inputs = question.inputs.clone().requires_grad_()
    match method:
        case Method.GRAD_CAM:
            found = LayerGradCam(question.score, question.layer).attribute(inputs)
        case Method.PLACES:
            found = LayerGradientXActivation(question.score, question.layer).attribute(inputs)
            found = found.sum(1, keepdim=True)
    assert isinstance(found, Tensor), "one layer, one map"
    return found


def _on_picture(heat: FloatArray, question: Question) -> FloatArray:
    """The layer's map, stretched over the input, and of that the part where the picture lies."""
    rows, columns = question.inputs.shape[2:]
    whole = cv2.resize(heat, (columns, rows), interpolation=cv2.INTER_LINEAR)
    (left, top), place = question.place.offset, question.place
    right = left + max(1, round(place.width * place.scale[0]))
    bottom = top + max(1, round(place.height * place.scale[1]))
    part = np.ascontiguousarray(whole[top:bottom, left:right])
    return np.asarray(cv2.resize(part, (place.width, place.height), interpolation=cv2.INTER_LINEAR), np.float32)
