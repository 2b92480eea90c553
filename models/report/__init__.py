"""The report on a model: labelled items, its answers, their figures by slice, two models side by side, a page to read."""
