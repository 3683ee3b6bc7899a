#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

// Runs a fuzz target without libFuzzer: every file of the corpus directories given as arguments,
// then mutations of each from a fixed seed, so that the corpus works as a regression test with any
// compiler. It gives no coverage guidance; looking for new findings is the task of the fuzz preset.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kMutationsPerFile = 200;
constexpr size_t kStepsPerMutationMax = 4;

std::vector<std::filesystem::path> files_below(int count, char** arguments) {
  std::vector<std::filesystem::path> files;
  for (int n = 1; n < count; ++n) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[n])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  // The order in which a directory is listed is not the same on every machine.
  std::sort(files.begin(), files.end());
  return files;
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// A part of `bytes`, at most 32 octets long: offset and size.
std::pair<size_t, size_t> random_part(const Bytes& bytes, std::mt19937& random) {
  const size_t offset = random() % bytes.size();
  return {offset, 1 + random() % std::min<size_t>(32, bytes.size() - offset)};
}

void mutate(Bytes& bytes, const Bytes& other, std::mt19937& random) {
  if (bytes.empty()) {
    bytes.push_back(static_cast<uint8_t>(random()));
    return;
  }
  const auto [offset, size] = random_part(bytes, random);
  const auto begin = bytes.begin() + static_cast<ptrdiff_t>(offset);
  const auto end = begin + static_cast<ptrdiff_t>(size);
  switch (random() % 5) {
    case 0:
      bytes[offset] = static_cast<uint8_t>(bytes[offset] ^ (1u << random() % 8));
      break;
    case 1:
      bytes[offset] = static_cast<uint8_t>(random());
      break;
    case 2:
      bytes.erase(begin, end);
      break;
    case 3: {
      const Bytes part(begin, end);
      bytes.insert(begin, part.begin(), part.end());
      break;
    }
    default: {
      if (other.empty()) break;
      const size_t tail = random() % other.size();
      bytes.resize(offset);
      bytes.insert(bytes.end(), other.begin() + static_cast<ptrdiff_t>(tail), other.end());
      break;
    }
  }
}

void run(const Bytes& bytes) {
  // A copy of the exact size lets a sanitizer see a read behind the end.
  const Bytes exact(bytes);
  static_cast<void>(LLVMFuzzerTestOneInput(exact.data(), exact.size()));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Bytes> inputs;
  for (const auto& path : files_below(argc, argv)) inputs.push_back(read_file(path));
  if (inputs.empty()) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY...\n", argv[0]);
    return 1;
  }
  std::mt19937 random(1);
  size_t runs = 0;
  for (const Bytes& input : inputs) {
    run(input);
    ++runs;
    for (size_t n = 0; n < kMutationsPerFile; ++n) {
      Bytes bytes = input;
      for (size_t steps = 1 + random() % kStepsPerMutationMax; steps > 0; --steps) {
        mutate(bytes, inputs[random() % inputs.size()], random);
      }
      run(bytes);
      ++runs;
    }
  }
  std::printf("%zu inputs, %zu runs\n", inputs.size(), runs);
  return 0;
}
