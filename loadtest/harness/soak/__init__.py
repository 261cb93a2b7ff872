"""A long run with everything on: honest clients beside those that break off, dawdle, and mean harm.

`gateway` has the configurations, `origin` the back ends' moods, `honest` what must always work, `mischief` what must never
hurt, `watch` what is measured and the verdict.
"""
