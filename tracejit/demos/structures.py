"""Data structures held in arrays: a sparse matrix, a forest of sets, a decision tree."""

import numpy as np
from numpy.typing import NDArray


def csr_product(
    data: NDArray[np.float64], columns: NDArray[np.int32], row_start: NDArray[np.int32], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The product of a sparse matrix in compressed row form and a vector.

    The Yale format (Eisenstat et al., Yale Sparse Matrix Package, 1977): row i holds data[row_start[i]:row_start[i
    + 1]] in the columns named at the same places. Shapes: data (nnz,), columns (nnz,), row_start (rows + 1,), x (m,).

    The matrix [[1, 0, 2], [0, 0, 3]]:

    >>> data, columns, row_start = np.array([1.0, 2.0, 3.0]), np.array([0, 2, 2]), np.array([0, 2, 3])
    >>> csr_product(data, columns, row_start, np.array([1.0, 10.0, 100.0]))
    array([201., 300.])
    """
    rows = row_start.size - 1
    result = np.empty(rows)
    for i in range(rows):
        total = 0.0
        for k in range(row_start[i], row_start[i + 1]):
            total += data[k] * x[columns[k]]
        result[i] = total
    return result


def find(parent: NDArray[np.int64], node: np.int64) -> np.int64:
    """The root of a node's tree; every node met on the way is moved up to its grandparent.

    >>> parent = np.array([0, 0, 1, 2])
    >>> find(parent, parent[3]), parent
    (np.int64(0), array([0, 0, 0, 2]))
    """
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


def union_find(edges: NDArray[np.int64], nodes: int) -> tuple[NDArray[np.int64], int]:
    """Connected components: for every node the smallest node of its component, and the number of components.

    Disjoint sets with path halving (Tarjan and van Leeuwen, Worst-case analysis of set union algorithms, 1984); the
    smaller root wins. Shape: edges (m, 2) of node numbers in range(nodes).

    >>> union_find(np.array([[0, 1], [3, 4], [4, 1]]), 6)
    (array([0, 0, 2, 0, 0, 5]), 3)
    """
    parent = np.arange(nodes)
    components = nodes
    for a, b in edges:
        root_a = find(parent, a)
        root_b = find(parent, b)
        if root_a == root_b:
            continue
        if root_a < root_b:
            parent[root_b] = root_a
        else:
            parent[root_a] = root_b
        components -= 1
    for i in range(nodes):
        parent[i] = find(parent, parent[i])
    return parent, components


def decision_tree(
    samples: NDArray[np.float64],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What a decision tree predicts for each sample.

    The tree in arrays of nodes as CART is commonly stored (Breiman et al., Classification and Regression Trees,
    1984): a leaf has feature -1; another node sends a sample left when its feature is at most the threshold.
    Shapes: samples (n, k); feature, threshold, left, right, value (nodes,).

    >>> feature, threshold = np.array([0, -1, -1]), np.array([0.5, 0.0, 0.0])
    >>> left, right, value = np.array([1, 0, 0]), np.array([2, 0, 0]), np.array([0.0, -1.0, 1.0])
    >>> decision_tree(np.array([[0.2], [0.7]]), feature, threshold, left, right, value)
    array([-1.,  1.])
    """
    predictions = np.empty(samples.shape[0])
    for i in range(samples.shape[0]):
        node = 0
        while feature[node] >= 0:
            if samples[i, feature[node]] <= threshold[node]:
                node = left[node]
            else:
                node = right[node]
        predictions[i] = value[node]
    return predictions
