"""Names and labels that a program could misread."""

NAMES = (
    "0012", "1e5", "nan", "True", "None", "NA", "2024-01-01", "=1+1", "-1", "_hidden",
    "{c} {{d}}", "$x^2$ $y$", "<b>bold<!-- ![i](x.png)",
)  # fmt: skip
"""For categories, videos and people: names of folders and files."""
LABELS = (
    *NAMES, "+1", "@a", "![](http://example.org/x.png)", "<img src=http://example.org/x.png>",
    "</script><b>", "[link](javascript:alert(1))", "*a* __b__ `c` ~~d~~", "a|b \\ &amp; &#60;",
    "{run}", "%s {0}",
)  # fmt: skip
"""For texts of the configuration."""
