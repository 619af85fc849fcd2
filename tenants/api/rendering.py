"""The renderer of the API's JSON: orjson, with Django REST framework's encoder for the types that orjson lacks."""

from __future__ import annotations

from typing import Any

import orjson
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS  # their forms are the encoder's matter
# JavaScript before 2019 takes these for the ends of lines. The framework's renderer escapes them too.
SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))

_default = JSONEncoder().default


class FastJSONRenderer(JSONRenderer):
    """Render what `JSONRenderer` renders, several times as fast. What orjson refuses is left to that one."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        if data is None or self.get_indent(accepted_media_type or "", renderer_context or {}) is not None:
            return super().render(data, accepted_media_type, renderer_context)
        try:
            rendered = orjson.dumps(data, default=_default, option=OPTIONS)
        except TypeError:  # a whole number of more than 64 bits, a name that is no text, a lone surrogate
            return super().render(data, accepted_media_type, renderer_context)
        for separator, escaped in SEPARATORS:
            rendered = rendered.replace(separator, escaped)
        return rendered
