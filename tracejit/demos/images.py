"""Filters over images and over a signal."""

import numpy as np
from numpy.typing import NDArray


def floyd_steinberg(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a grey image to black and white, passing each pixel's error on to the neighbours still to come.

    Floyd and Steinberg (An adaptive algorithm for spatial greyscale, 1976). Shape: image (n, m).

    >>> floyd_steinberg(np.full((2, 4), 128, np.uint8))
    array([[255,   0, 255,   0],
           [  0, 255,   0, 255]], dtype=uint8)
    """
    rows, columns = image.shape
    work = image.astype(np.float64)
    result = np.zeros(image.shape, dtype=np.uint8)
    for i in range(rows):
        for j in range(columns):
            error = work[i, j]
            if error >= 128.0:
                result[i, j] = 255
                error -= 255.0
            if j + 1 < columns:
                work[i, j + 1] += error * 7 / 16
            if i + 1 < rows:
                if j > 0:
                    work[i + 1, j - 1] += error * 3 / 16
                work[i + 1, j] += error * 5 / 16
                if j + 1 < columns:
                    work[i + 1, j + 1] += error * 1 / 16
    return result


def bilateral_filter(
    image: NDArray[np.float64], radius: int, sigma_space: float, sigma_value: float
) -> NDArray[np.float64]:
    """Smooth an image and keep its edges: near pixels count more, and so do pixels of similar value.

    Tomasi and Manduchi (Bilateral filtering for gray and color images, ICCV 1998); the window is cut at the border.
    Shape: image (n, m).

    >>> step = np.array([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
    >>> bilateral_filter(step, 2, 1.0, 0.01).round(6)
    array([[0., 0., 0., 1., 1., 1.]])
    """
    rows, columns = image.shape
    result = np.empty_like(image)
    for i in range(rows):
        for j in range(columns):
            total = 0.0
            weights = 0.0
            for k in range(max(0, i - radius), min(rows, i + radius + 1)):
                for m in range(max(0, j - radius), min(columns, j + radius + 1)):
                    distance = (k - i) ** 2 + (m - j) ** 2
                    difference = image[k, m] - image[i, j]
                    weight = np.exp(
                        -distance / (2 * sigma_space**2) - difference * difference / (2 * sigma_value**2)
                    )  # fmt: skip
                    total += weight * image[k, m]
                    weights += weight
            result[i, j] = total / weights
    return result


def iir_filter(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64], signal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pass a signal through a recursive (infinite impulse response) filter that starts at rest.

    Direct form II transposed (Oppenheim and Schafer, Discrete-Time Signal Processing, section 6.3). Shapes:
    numerator (k,) and denominator (k,) with denominator[0] == 1, signal (n,).

    >>> iir_filter(np.array([1.0, 0.0]), np.array([1.0, -0.5]), np.array([1.0, 0.0, 0.0, 0.0]))
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    order = numerator.size - 1
    state = np.zeros(order + 1)
    result = np.empty_like(signal)
    for i in range(signal.size):
        x = signal[i]
        y = numerator[0] * x + state[0]
        for k in range(order):
            state[k] = numerator[k + 1] * x - denominator[k + 1] * y + state[k + 1]
        result[i] = y
    return result
