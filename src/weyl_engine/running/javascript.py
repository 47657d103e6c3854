"""JavaScript of expressions, evaluated in this process: no node is needed, and nothing but the language is there."""

import json
from typing import Any, cast

import quickjs
from cwl_utils.errors import JavascriptException
from cwl_utils.sandboxjs import NodeJSEngine, code_fragment_to_js
from cwl_utils.types import CWLOutputType

SECONDS_MAX = 20.0
MEMORY_BYTES_MAX = 256 << 20


class QuickJs(NodeJSEngine):
    """What cwl-utils asks for JavaScript: parameter references as it reads them, all else in a context of its own."""

    def eval(self, scan: str, jslib: str = "", timeout: float = SECONDS_MAX, *_: Any, **options: Any) -> CWLOutputType:
        """Return the value of an expression. Raises JavascriptException, also when it takes too long or too much."""
        context = quickjs.Context()
        context.set_memory_limit(MEMORY_BYTES_MAX)
        context.set_time_limit(min(timeout, SECONDS_MAX))
        script = json.dumps(code_fragment_to_js(scan, jslib))
        try:
            # As text: a number of JavaScript is an int or a float only by how JSON writes it.
            text = context.eval(f"JSON.stringify(eval({script}))")
        except quickjs.JSException as error:
            raise JavascriptException(f"{error}\nscript was: {scan}") from error
        return cast(CWLOutputType, None if text is None else json.loads(text))
