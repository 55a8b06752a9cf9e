"""TIFF and PNG files of any depth, written from their specifications."""

import struct
import zlib

import numpy as np

KINDS = {1: "u", 2: "i", 3: "f"}  # TIFF's SampleFormat


def tiff(path, values, photometric, bits, sample=1, order="<", deflate=False, planes=1, **tags):
    """Write rows x columns x samples; ``tags`` are named t274=... and None leaves one out."""
    values = np.asarray(values)
    values = values[..., None] if values.ndim == 2 else values
    rows, columns, samples = values.shape
    parts = [values] if planes == 1 else [values[..., k] for k in range(samples)]
    strips = [_packed(part.reshape(rows, -1), bits, sample, order) for part in parts]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    entries = {
        256: columns, 257: rows, 258: [bits] * samples, 259: 8 if deflate else 1,
        262: photometric, 277: samples, 278: rows, 284: planes, 339: [sample] * samples,
    }  # fmt: skip
    entries |= {int(name[1:]): value for name, value in tags.items()}
    entries = {tag: np.atleast_1d(v).tolist() for tag, v in entries.items() if v is not None}
    entries |= {273: [0] * len(strips), 279: [len(strip) for strip in strips]}
    sizes = {tag: (4, "I") if tag in (273, 279) else (3, "H") for tag in entries}
    long = {tag: len(v) * (4 if sizes[tag][1] == "I" else 2) for tag, v in entries.items()}
    end = 8 + 2 + 12 * len(entries) + 4
    start = end + sum(size for size in long.values() if size > 4)
    entries[273] = [start + sum(map(len, strips[:k])) for k in range(len(strips))]
    directory, data = struct.pack(f"{order}H", len(entries)), b""
    for tag, found in sorted(entries.items()):
        kind, letter = sizes[tag]
        value = struct.pack(f"{order}{len(found)}{letter}", *found).ljust(4, b"\0")
        if len(value) > 4:
            data, value = data + value, struct.pack(f"{order}I", end + len(data))
        directory += struct.pack(f"{order}HHI", tag, kind, len(found)) + value
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    path.write_bytes(head + directory + bytes(4) + data + b"".join(strips))
    return path


def _packed(rows, bits, sample, order):
    if bits % 8 == 0:
        return rows.astype(f"{order}{KINDS[sample]}{bits // 8}").tobytes()
    shifts = np.arange(bits)[::-1]
    flat = (rows[..., None] >> shifts & 1).astype(np.uint8).reshape(len(rows), -1)
    return np.packbits(flat, axis=1).tobytes()


def png(path, values, kind, bits=16, extra=()):
    """Write 16-bit rows x columns x samples, or 8-bit; ``extra`` are chunks (name, data)."""
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, kind, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in values)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))
    return path


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
