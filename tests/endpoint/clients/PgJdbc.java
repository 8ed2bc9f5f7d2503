// pgJDBC, one connection a thread: statements become prepared ones from their fifth use on. See
// loop.py for what the arguments and the output are. Run from source: java -cp DRIVER PgJdbc.java.
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

public class PgJdbc {
  static final List<String> acknowledged = new ArrayList<>();
  static final List<String> failed = new ArrayList<>();
  static final List<String> unknown = new ArrayList<>();
  static final List<String> errors = new ArrayList<>();
  static int connects = 0;
  static double longest = 0;
  static volatile boolean ended = false;

  static synchronized void note(String state, String text, String key) {
    if (errors.size() < 100) errors.add((state == null ? "-----" : state) + " " + text.split("\n")[0]);
    if (key == null) return;
    boolean nothing = "40001".equals(state) || "57P03".equals(state) || "25006".equals(state);
    (nothing ? failed : unknown).add(key);
  }

  static synchronized void acknowledge(String key, long began) {
    acknowledged.add(key);
    longest = Math.max(longest, (System.nanoTime() - began) / 1e6);
  }

  static class Session extends Thread {
    final String url, prefix;
    final Properties properties;
    Connection connection;
    PreparedStatement insert, count;

    Session(String url, Properties properties, String prefix) {
      this.url = url;
      this.properties = properties;
      this.prefix = prefix;
    }

    void open() throws SQLException {
      if (connection != null) return;
      connection = DriverManager.getConnection(url, properties);
      insert = connection.prepareStatement("insert into endpoint_rows (key) values (?)");
      count = connection.prepareStatement("select count(*) from endpoint_rows where key = ?");
      synchronized (PgJdbc.class) {
        connects++;
      }
    }

    long look(String key) throws SQLException {
      count.setString(1, key);
      try (ResultSet rows = count.executeQuery()) {
        rows.next();
        return rows.getLong(1);
      }
    }

    void recover() {
      try {
        if (connection != null && !connection.getAutoCommit()) connection.rollback();
        if (connection != null && connection.isValid(5)) return;
        if (connection != null) connection.close();
      } catch (SQLException error) {
        // It is replaced.
      }
      connection = null;
    }

    public void run() {
      for (int number = 1; !ended; number++) {
        String key = prefix + "-" + number;
        boolean told = false;
        long began = System.nanoTime();
        try {
          open();
          boolean alone = number % 2 == 0;
          connection.setAutoCommit(alone);
          insert.setString(1, key);
          insert.executeUpdate();
          if (alone) {
            acknowledge(key, began);
            told = true;
          }
          long seen = look(key);
          if (!alone) {
            connection.commit();
            acknowledge(key, began);
            told = true;
          }
          if (seen != 1) note(null, "the row " + key + " is there " + seen + " times", null);
          Thread.sleep(5);
        } catch (SQLException error) {
          note(error.getSQLState(), String.valueOf(error.getMessage()), told ? null : key);
          recover();
        } catch (InterruptedException error) {
          return;
        }
      }
    }
  }

  static String json(List<String> words) {
    return words.stream().map(word -> "\"" + word.replace("\\", "\\\\").replace("\"", "\\\"")
        .replaceAll("\\p{Cntrl}", " ") + "\"").collect(Collectors.joining(",", "[", "]"));
  }

  static synchronized void print() {
    System.out.println("{\"transactions\":" + acknowledged.size() + ",\"acknowledged\":"
        + json(acknowledged) + ",\"failed\":" + json(failed) + ",\"unknown\":" + json(unknown)
        + ",\"errors\":" + json(errors) + ",\"connects\":" + connects + ",\"longest_ms\":"
        + Math.round(longest * 10) / 10.0 + "}");
    System.out.flush();
  }

  public static void main(String[] words) throws Exception {
    Properties properties = new Properties();
    String host = "localhost", port = "5432", database = "";
    for (String word : words[0].trim().split("\\s+")) {
      String[] pair = word.split("=", 2);
      if (pair[0].equals("host")) host = pair[1];
      else if (pair[0].equals("port")) port = pair[1];
      else if (pair[0].equals("dbname")) database = pair[1];
      else if (pair[0].equals("user") || pair[0].equals("password") || pair[0].equals("sslmode"))
        properties.setProperty(pair[0], pair[1]);
    }
    int connections = words.length > 2 ? Integer.parseInt(words[2]) : 2;
    String run = String.format("%08x", new SecureRandom().nextInt());
    String url = "jdbc:postgresql://" + host + ":" + port + "/" + database;
    List<Session> sessions = new ArrayList<>();
    for (int i = 0; i < connections; i++) {
      sessions.add(new Session(url, properties, run + "-" + i));
      sessions.get(i).start();
    }
    CountDownLatch over = new CountDownLatch(1);
    CountDownLatch printed = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      over.countDown();
      try {
        printed.await(40, TimeUnit.SECONDS);
      } catch (InterruptedException error) {
        // The machine goes down all the same.
      }
    }));
    over.await((long) (1000 * Double.parseDouble(words[1])), TimeUnit.MILLISECONDS);
    ended = true;
    for (Session session : sessions) {
      session.join(30_000);
      if (session.isAlive()) note(null, "a connection is stuck", null);
    }
    print();
    printed.countDown();
    System.exit(0);
  }
}
