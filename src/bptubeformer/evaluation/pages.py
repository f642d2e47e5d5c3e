"""Markdown as a page of its own that needs no network: what the report shows of a table."""

import html
import re

import mistune

HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ margin: 0 auto; max-width: 88rem; padding: 1rem 1.2rem 4rem; color: #1d2733;
         background: white;
         font: 14px/1.4 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
  h1 {{ font-size: 1.5rem; margin: 1.5rem 0 .6rem; }}
  h2 {{ font-size: 1.2rem; margin: 2rem 0 .5rem; }}
  h3 {{ font-size: 1rem; margin: 1.5rem 0 .5rem; }}
  p {{ max-width: 60rem; color: #5b6775; }}
  pre {{ background: #f6f8fa; padding: .8rem; overflow-x: auto; }}
  .wide {{ overflow-x: auto; }}
  table {{ border-collapse: collapse; }}
  th {{ text-align: left; color: #5b6775; font-size: .85rem; vertical-align: bottom; }}
  th, td {{ border-bottom: 1px solid #d8dee6; padding: .35rem .5rem; }}
  td {{ font-variant-numeric: tabular-nums; white-space: nowrap; }}
  td.long:not(:first-child) {{ white-space: normal; }}
</style>
</head>
<body>
"""
TAIL = "</body>\n</html>\n"
SHORT = 20
"""Characters of a cell that is not broken: a mean with its deviation, an interval, a kernel."""
render = mistune.create_markdown(escape=True, plugins=["table"])


def page(markdown: str) -> str:
    """A page of HTML with the title of the Markdown's first heading; HTML in it is escaped."""
    title = re.search("^# (.*)", markdown, re.MULTILINE)
    body = str(render(markdown))
    body = body.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )
    body = re.sub(rf"<td([^>]*)>(?![^<]{{0,{SHORT}}}</td>)", r'<td class="long"\1>', body)
    return HEAD.format(title=html.escape(title[1] if title else "")) + body + TAIL
