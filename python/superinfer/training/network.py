"""The predictor as torch sees it; ``cache/predictor.py`` computes the same without torch."""

from typing import Any

import numpy as np
import torch
from torch import nn

from superinfer.cache.history import ITEMS
from superinfer.cache.predictor import HEADS, WIDTH, shapes


class Network(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Attention of a node's facts over its last uses, then a logit per horizon: used in it, if not before?"""

    def __init__(self, horizons: int, dropout: float) -> None:
        super().__init__()
        for name, shape in shapes(horizons).items():
            if name.endswith(("_center", "_scale")):
                self.register_buffer(name, torch.zeros(shape))
                continue
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
            if len(shape) == 2 and name not in ("kind", "tenant", "position"):
                nn.init.xavier_uniform_(getattr(self, name))
        self._drop = nn.Dropout(dropout)

    def forward(self, static: Any, items: Any, codes: Any, seen: Any) -> Any:
        """Logits, a row per node."""
        static = (static - self.static_center) / self.static_scale
        items = (items - self.item_center) / self.item_scale
        facts = static @ self.static_in + self.static_bias + self.kind[codes[:, 0]] + self.tenant[codes[:, 1]]
        facts = torch.relu(facts)
        uses = torch.relu(items @ self.item_in + self.item_bias + self.position)
        rows = torch.cat([uses, facts[:, None]], 1)
        absent = torch.arange(ITEMS + 1) < (ITEMS - seen[:, None].clamp(max=ITEMS))
        query, key, value = (
            self._heads(part) for part in (facts[:, None] @ self.query, rows @ self.key, rows @ self.value)
        )
        scores = (query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5).masked_fill(absent[:, None, None], -1e9)
        context = (torch.softmax(scores, -1) @ value).transpose(1, 2).reshape(len(facts), WIDTH)
        hidden = torch.relu(self._drop(torch.cat([facts, context], 1)) @ self.hidden_in + self.hidden_bias)
        return self._drop(hidden) @ self.out + self.out_bias

    def arrays(self) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        """All numbers, by name."""
        return {name: value.detach().numpy().copy() for name, value in self.state_dict().items()}

    @staticmethod
    def _heads(rows: Any) -> Any:
        return rows.reshape(len(rows), -1, HEADS, WIDTH // HEADS).transpose(1, 2)
