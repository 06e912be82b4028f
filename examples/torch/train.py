"""Trains a small network with several processes that average their gradients.

This file knows nothing of Penstock but a few paths: `torchrun` says who is who, and the variables of the gang
say it to `torchrun`.

In:  /penstock/in/train/data.csv, /penstock/in/train/schema.json
Out: /penstock/out/model/model.onnx, /penstock/out/metrics.json, both by the process of rank 0
"""

import csv
import json
import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

ROOT = Path(os.environ.get("TORCH_ROOT", "/penstock"))  # another folder to try the program outside of a pod
SEED, HIDDEN = 7, 64


class Net(nn.Module):
    """Pixels [rows, features] to scores [rows, classes]; scaled inside, so that it takes raw columns."""

    def __init__(self, features: int, classes: int, largest: float) -> None:
        super().__init__()
        self.largest = largest
        self.layers = nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x / self.largest)


class Served(nn.Module):
    """What is served: the label and the probabilities."""

    def __init__(self, net: Net, labels: torch.Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("labels", labels)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities = torch.softmax(self.net(x), dim=1)
        return self.labels[probabilities.argmax(dim=1)], probabilities


def main() -> None:
    """Read, fit together, let rank 0 write."""
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    x, y, labels = read(ROOT / "in/train")
    own_x, own_y = x[rank::world], y[rank::world]  # each its share of the rows
    rows = total(len(own_x))
    if rows != len(x):
        raise RuntimeError(f"the shares have {rows} of {len(x)} rows")

    torch.manual_seed(SEED)
    net = Net(x.shape[1], len(labels), float(x.max()))
    fit(DistributedDataParallel(net), own_x, own_y, int(os.environ.get("PENSTOCK_ARG_STEPS", "300")))
    apart = spread(net)
    if apart:
        raise RuntimeError(f"the processes have come apart by {apart}")
    print(f"rank {rank} of {world}: {len(own_x)} of {rows} rows, the same network as the others", flush=True)

    right = total(int((net(own_x).argmax(dim=1) == own_y).sum()))
    if rank == 0:
        write(Served(net, labels), x, ROOT / "out/model/model.onnx")
        (ROOT / "out/metrics.json").write_text(
            json.dumps({"train_accuracy": right / rows, "processes": world})
        )
    dist.barrier()


def read(folder: Path) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pixels [rows, features], the number of each row's class, and the classes themselves."""
    columns = json.loads((folder / "schema.json").read_text())["columns"]
    features = [one["name"] for one in columns if one["role"] == "Feature"]
    target = next(one["name"] for one in columns if one["role"] == "Target")
    with (folder / "data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    x = torch.tensor([[float(row[name]) for name in features] for row in rows])
    labels, y = torch.unique(torch.tensor([int(row[target]) for row in rows]), return_inverse=True)
    return x, y, labels


def fit(net: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> None:
    """Adam on all own rows; the gradients are averaged over the processes at each step."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    loss = nn.CrossEntropyLoss()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(net(x), y).backward()
        optimizer.step()


def total(number: int) -> int:
    """The sum of all processes' numbers: an all-reduce."""
    found = torch.tensor(number)
    dist.all_reduce(found)
    return int(found)


def spread(net: nn.Module) -> float:
    """How far the processes' weights are apart at most."""
    weights = torch.cat([one.detach().flatten() for one in net.parameters()])
    lowest, highest = weights.clone(), weights.clone()
    dist.all_reduce(lowest, dist.ReduceOp.MIN)
    dist.all_reduce(highest, dist.ReduceOp.MAX)
    return float((highest - lowest).max())


def write(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """The network as ONNX, for any number of rows."""
    names = ["x", "label", "probabilities"]
    any_rows = {name: {0: "rows"} for name in names}
    torch.onnx.export(
        model.eval(),
        x[:2],
        path,
        input_names=names[:1],
        output_names=names[1:],
        dynamic_axes=any_rows,
        opset_version=15,
    )


if __name__ == "__main__":
    main()
