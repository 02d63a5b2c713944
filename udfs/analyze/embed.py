"""Text into vectors with WordLlama's static embeddings, from the files inside its wheel and without a download.

WordLlama's own `load()` looks for the tokenizer elsewhere and downloads it, and importing the package configures the
root logger; so its two data files are read here. The vector of a text is the mean of its tokens' vectors, as in
`WordLlamaInference.avg_pool`, scaled to length 1.
"""

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from udfs.cache import BoundedCache

#: Names the vectors: a collection made with another embedding cannot be searched with this one.
EMBEDDING = "wordllama-l2-supercat-256"
DIMENSION = 256
_TOKENIZER_FILE = Path("tokenizers") / "l2_supercat_tokenizer_config.json"
_WEIGHTS_FILE = Path("weights") / "l2_supercat_256.safetensors"
_WEIGHTS_NAME = "embedding.weight"
_SPACE = "\u2581"
_CACHED_WORDS = 20_000

Matrix = npt.NDArray[np.float32]


class EmbeddingError(Exception):
    """The embedding cannot be loaded: WordLlama is not installed, or its wheel has other files."""


class Embedder:
    """Texts and words into unit vectors. The same text always gives the same vector."""

    def __init__(self, tokenizer: Tokenizer, weights: Matrix) -> None:
        self._tokenizer = tokenizer
        self._weights = weights
        self._space: int | None = tokenizer.token_to_id(_SPACE)
        self._words: BoundedCache[str, Matrix] = BoundedCache(_CACHED_WORDS)

    def texts(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, shape (n, 256), length 1; a text without tokens gives zeros."""
        if not texts:
            return np.zeros((0, DIMENSION), dtype=np.float32)
        return np.stack([_unit(self._mean(self._tokens(text))) for text in texts])

    def words(self, words: Sequence[str]) -> Matrix:
        """Return one row per word, shape (n, 256), length 1; words are remembered."""
        if not words:
            return np.zeros((0, DIMENSION), dtype=np.float32)
        return np.stack([self._word(word) for word in words])

    def _word(self, word: str) -> Matrix:
        vector = self._words.get(word)
        if vector is None:
            # The mark in front of a word would make all short words alike.
            vector = _unit(self._mean([token for token in self._tokens(word) if token != self._space]))
            self._words.keep(word, vector)
        return vector

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _mean(self, tokens: list[int]) -> Matrix:
        if not tokens:
            return np.zeros(DIMENSION, dtype=np.float32)
        mean: Matrix = self._weights[tokens].mean(axis=0, dtype=np.float32)
        return mean


@functools.cache
def load_embedder() -> Embedder:
    """Load the embedder once per process: 0.2 s and 33 MB.

    Raises:
        EmbeddingError: the files are not there or not what they should be.
    """
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddingError("wordllama is not installed")
    folder = Path(spec.submodule_search_locations[0])
    try:
        weights = load_file(folder / _WEIGHTS_FILE)[_WEIGHTS_NAME].astype(np.float32)
        tokenizer = Tokenizer.from_str((folder / _TOKENIZER_FILE).read_text(encoding="utf-8"))
    except (OSError, KeyError, SafetensorError) as error:
        raise EmbeddingError(f"wordllama's wheel has no usable {EMBEDDING}: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Embedder(tokenizer, weights)


def _unit(vector: Matrix) -> Matrix:
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector
