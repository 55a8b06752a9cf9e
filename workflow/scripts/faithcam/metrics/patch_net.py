"""AOPC judged on a network whose cells see their own pixels only."""
