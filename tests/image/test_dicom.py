"""DICOM images: stored values, tags, frames; what is compressed or in colour."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from denoise_cli.errors import InputError, OutputError
from denoise_cli.image import Box, Image, decode, decode_frames, encode, encode_frames

pydicom: Any = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'denoise-cli[dicom]'")
LITTLE, BIG, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def scanned(bits: int = 12, signed: bool = True, frames: int = 1) -> NDArray[Any]:
    """Stored values, those of a tomograph or of ultrasound."""
    low, high = (-1024, 2000) if signed else (0, 2**bits - 1)
    shape = (frames, 5, 7) if frames > 1 else (5, 7)
    values = np.random.default_rng(0).integers(low, high + 1, shape)
    return values.astype(f"{'i' if signed else 'u'}{2 if bits > 8 else 1}")


def filed(values: NDArray[Any], bits: int = 12, syntax: str = LITTLE, **tags: Any) -> bytes:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    found = pydicom.dataset.Dataset()
    found.file_meta = meta
    found.SOPClassUID, found.SOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    found.PatientName, found.RescaleIntercept, found.RescaleSlope, found.WindowCenter = "Doe^Jane", -1024, 2, 40
    found.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    found.Rows, found.Columns, found.SamplesPerPixel = *values.shape[-2:], 1
    found.PhotometricInterpretation, found.PixelRepresentation = "MONOCHROME2", int(values.dtype.kind == "i")
    found.BitsAllocated, found.BitsStored, found.HighBit = 8 * values.itemsize, bits, bits - 1
    if values.ndim == 3:
        found.NumberOfFrames = len(values)
    order = ">" if syntax == BIG else "<"
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    found.PixelData = raw + b"\0" * (len(raw) % 2)
    found["PixelData"].VR = "OW" if values.itemsize > 1 else "OB"
    for name, value in tags.items():
        setattr(found, name, value)
    stream = io.BytesIO()
    found.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def taken(data: bytes) -> Any:
    return pydicom.dcmread(io.BytesIO(data))


@pytest.mark.parametrize("syntax", [LITTLE, BIG, IMPLICIT])
@pytest.mark.parametrize(("bits", "signed"), [(12, True), (16, False), (8, False)])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_stored_values_and_tags_come_back(syntax: str, bits: int, signed: bool, frames: int, kind: str) -> None:
    values = scanned(bits, signed, frames)
    data = filed(values, bits, syntax, PhotometricInterpretation=kind)
    images = decode_frames(data, "a.dcm")
    assert len(images) == frames and images[0].source.depth == (8 if bits == 8 else 16)
    assert all(image.pixels.min() >= 0 and image.pixels.max() <= 1 for image in images)
    brightest = np.argmax(images[0].pixels), np.argmin(images[0].pixels)
    first = values.reshape(-1, 5, 7)[0]
    assert first.flat[brightest[kind == "MONOCHROME1"]] == first.max()
    before, after = taken(data), taken(encode_frames(images))
    assert (after.pixel_array == values).all()
    changed = {"PixelData", "SOPInstanceUID", "ImageType", "DerivationDescription"}
    for element in before:
        assert element.keyword in changed or after[element.tag] == element
    assert list(after.ImageType) == ["DERIVED", "PRIMARY", "AXIAL"] and after.SOPInstanceUID != "1.2.3"
    assert encode_frames(images) == encode_frames(images)


def test_values_are_rounded_and_kept_within_what_is_stored() -> None:
    image = decode(filed(scanned()), "a.dcm")
    brighter = image.with_pixels(image.pixels * 2)
    assert taken(encode(brighter)).pixel_array.max() == 2**11 - 1
    step = 1 / (image.source.native.high - image.source.native.low)
    shifted = image.with_pixels((image.pixels + np.float32(0.4 * step)).astype(np.float32))
    assert (taken(encode(shifted)).pixel_array == scanned()).all()


def test_other_formats() -> None:
    image = decode(filed(scanned(frames=3)), "a.dcm")
    assert "3 frames; the first was read" in image.source.warnings[0]
    assert decode(encode(image, "png"), "a.png").source.depth == 16
    with pytest.raises(OutputError, match="a part of a DICOM image"):
        encode(image)
    whole = decode(filed(scanned()), "a.dcm")
    with pytest.raises(OutputError, match="a part of a DICOM image"):
        encode(whole.cut(Box(0, 0, 3, 3)))
    with pytest.raises(InputError, match="does not make anonymous"):
        whole.stripped()
    with pytest.raises(OutputError, match="comes from no DICOM file"):
        encode(Image(whole.pixels, decode(encode(whole, "png"), "a.png").source), "dicom")


def test_compressed_without_loss() -> None:
    found = taken(filed(scanned()))
    found.compress(pydicom.uid.RLELossless)
    stream = io.BytesIO()
    found.save_as(stream, enforce_file_format=True)
    image = decode(stream.getvalue(), "a.dcm")
    again = taken(encode(image))
    assert (again.pixel_array == scanned()).all() and again.file_meta.TransferSyntaxUID == LITTLE


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (filed(scanned(), PhotometricInterpretation="YBR_FULL"), "a DICOM image in YBR_FULL"),
        (filed(scanned(), Rows=60000, Columns=60000), "more than the limit"),
        (filed(scanned(8), 8, BitsAllocated=1, BitsStored=1, HighBit=0), "its values take 1 bits, not 8 or 16"),
        (filed(scanned(), Rows=50), "cannot be decoded as DICOM"),
        (filed(scanned())[:200], "cannot be decoded as DICOM"),
        (bytes(128) + b"DICM" + DEFLATED.encode(), "deflated as a whole"),
    ],
)
def test_what_cannot_be_read(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode(data, "a.dcm")


def test_a_missing_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = taken(filed(scanned()))
    found.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    found.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
    found["PixelData"].VR, found["PixelData"].is_undefined_length = "OB", True
    stream = io.BytesIO()
    found.save_as(stream, enforce_file_format=True)
    monkeypatch.setattr(type(found), "pixel_array", property(lambda self: _without_plugins()))
    with pytest.raises(InputError, match="JPEG 2000") as caught:
        decode(stream.getvalue(), "a.dcm")
    assert "pip install pylibjpeg" in caught.value.hint


def _without_plugins() -> None:
    raise RuntimeError("no plugin")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    image = decode(filed(scanned()), "a.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(OutputError) as unwritten:
        encode(image)
    with pytest.raises(InputError) as unread:
        decode(bytes(128) + b"DICM", "a.dcm")
    assert unwritten.value.hint == unread.value.hint == "pip install 'denoise-cli[dicom]'"
