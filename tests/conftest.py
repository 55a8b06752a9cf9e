"""Tests run side by side: each process computes with one thread."""

import torch

torch.set_num_threads(1)
