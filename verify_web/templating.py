"""Pages from templates, which are compiled once for each language.

What is the same on every page of a language (its words, the addresses of scripts) is folded in when a
template is compiled, escaped like everything else; only what a page has of its own is looked up and escaped
for it.
"""

from __future__ import annotations

from functools import cache, partial
from json import dumps
from typing import Any

from jinja2 import Environment, nodes
from jinja2.visitor import NodeTransformer

from registry.templates import STRICT
from verify_web.assets import TEMPLATES, VERSION, WORDS
from verify_web.language import HTML_LANG


class _Folding(NodeTransformer):
    """Puts texts in the place of the names that stand for them: `w.<key>` for the words."""

    def __init__(self, words: dict[str, str], names: dict[str, str]) -> None:
        self._words = words
        self._names = names

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802  (the visitor's naming)
        if isinstance(node.node, nodes.Name) and node.node.name == "w":
            return nodes.Const(self._words[node.attr], lineno=node.lineno, environment=node.environment)
        return self.generic_visit(node)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        if node.ctx == "load" and node.name in self._names:
            return nodes.Const(self._names[node.name], lineno=node.lineno, environment=node.environment)
        return node


class _OfLanguage(Environment):
    def __init__(self, lang: str) -> None:
        super().__init__(loader=TEMPLATES, autoescape=True, **STRICT)
        self.policies["json.dumps_function"] = partial(dumps, ensure_ascii=False)
        names = {"lang": lang, "html_lang": HTML_LANG[lang], "static": f"/static/{VERSION}"}
        self._folding = _Folding(WORDS[lang], names)

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        """Jinja's hook before it writes Python."""
        return super()._generate(self._folding.visit(source), name, filename, defer_init)


_environment = cache(_OfLanguage)


def fill_in(template: str, lang: str, **context: Any) -> str:
    """The page; raises UndefinedError for a name that neither the language nor `context` has."""
    return _environment(lang).get_template(template).render(context)
